"""The Identity REST API: users, their access tokens, and those of Teams users."""

from __future__ import annotations
