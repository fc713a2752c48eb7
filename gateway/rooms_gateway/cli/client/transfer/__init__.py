"""Export and import of rooms with their rosters."""

from __future__ import annotations
