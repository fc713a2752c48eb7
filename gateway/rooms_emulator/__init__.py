"""An emulator of the Azure Communication Services Rooms REST API.

It answers as the service was recorded to answer in March 2025: see ``docs/emulator.md`` for what
is recorded fact and what is a choice of ours.
"""

from gateway.emulator.authentication import DEVELOPMENT_KEY
from gateway.emulator.fault_presets import preset
from gateway.emulator.faults import Fault
from gateway.emulator.server import Emulator

__all__ = ["DEVELOPMENT_KEY", "Emulator", "Fault", "preset"]
