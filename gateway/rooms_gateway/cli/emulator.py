"""`rooms-gateway emulator`: the command of `rooms_emulator`, under its name in this CLI."""

from __future__ import annotations

from rooms_emulator.command import emulator

__all__ = ["emulator"]
