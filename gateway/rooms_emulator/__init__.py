"""An emulator of the Rooms and Identity REST APIs of Azure Communication Services.

It reproduces the behaviour recorded in production in March 2025; docs/emulator.md separates
recorded facts from choices of the emulator.

`Emulator` runs it, and `DevelopmentTls` is a certificate for it. `Fault`, `FaultPlan` and `preset`
describe failures to inject, `JournalEntry` is a request that it received, and `DEVELOPMENT_KEY` is
its default access key, base64.
"""

from __future__ import annotations

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.plan import FaultPlan
from rooms_emulator.faults.presets import preset
from rooms_emulator.journal import JournalEntry
from rooms_emulator.server import Emulator
from rooms_emulator.tls.development import DevelopmentTls

__all__ = [
    "DEVELOPMENT_KEY",
    "DevelopmentTls",
    "Emulator",
    "Fault",
    "FaultPlan",
    "JournalEntry",
    "preset",
]
