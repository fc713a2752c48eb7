"""`python -m rooms_emulator`."""

from __future__ import annotations

from rooms_emulator.command import emulator

if __name__ == "__main__":
    emulator(prog_name="python -m rooms_emulator")
