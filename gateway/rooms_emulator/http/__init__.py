"""HTTP layer: listener, messages, headers, bodies and routing."""

from __future__ import annotations
