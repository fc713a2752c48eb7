"""Commands that call a gateway."""

from __future__ import annotations
