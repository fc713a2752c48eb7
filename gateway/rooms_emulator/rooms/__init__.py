"""The Rooms REST API: its routes, operations and store."""

from __future__ import annotations
