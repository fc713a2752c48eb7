"""TLS of the emulator: certificates from files, and a development CA."""

from __future__ import annotations
