"""An emulator of the Azure Communication Services Rooms REST API.

It answers as the service was recorded to answer in March 2025: see ``docs/emulator.md`` for what
is recorded fact and what is a choice of ours.
"""

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.presets import preset
from rooms_emulator.server import Emulator

__all__ = ["DEVELOPMENT_KEY", "Emulator", "Fault", "preset"]
