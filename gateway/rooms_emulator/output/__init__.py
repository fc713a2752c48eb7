"""Output of the command: lines at the start, a line for each request, warnings."""

from __future__ import annotations
