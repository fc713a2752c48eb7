"""Authentication of requests: access keys and bearer tokens."""

from __future__ import annotations
