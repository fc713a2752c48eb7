"""Quotas: rate limits of operations, as text, as meters, and their selection for a request."""

from __future__ import annotations
