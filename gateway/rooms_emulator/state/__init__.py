"""State that outlives the process: what changed in the stores, and the file that keeps it."""

from __future__ import annotations
