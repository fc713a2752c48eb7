"""Lines that the command prints when the emulator is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from rooms_emulator.control import PREFIX
from rooms_emulator.identity import versions as identity_versions
from rooms_emulator.rooms import versions as rooms_versions
from rooms_emulator.server import Emulator
from rooms_emulator.tls import trust
from rooms_emulator.tls.development import DevelopmentTls


class _ApiVersions(msgspec.Struct):
    rooms: list[str]
    identity: list[str]


class Ready(msgspec.Struct, rename="camel", tag_field="event", tag="ready"):
    """A running emulator, as `--json` prints it."""

    endpoint: str
    connection_string: str
    control: str
    """Address of the control API, without a path."""
    control_key_required: bool
    location: str | None
    """The state file; None: the state is in memory."""
    api_versions: _ApiVersions
    fault_seed: int | UnsetType = UNSET
    ca: str | UnsetType = UNSET
    """PEM file with the certificate of the development CA."""
    trust: dict[str, str] | UnsetType = UNSET
    """Command that makes clients trust it, for each language."""

    @classmethod
    def of(
        cls,
        emulator: Emulator,
        location: Path | None,
        *,
        legacy: bool,
        development: DevelopmentTls | None = None,
    ) -> Ready:
        """Describe a started emulator."""
        legacy_names = [rooms_versions.LEGACY.name] if legacy else []
        return cls(
            emulator.endpoint,
            emulator.connection_string,
            emulator.control_endpoint,
            emulator.control_access.key is not None,
            None if location is None else str(location),
            _ApiVersions(
                [*legacy_names, *rooms_versions.VERSIONS], list(identity_versions.VERSIONS)
            ),
            emulator.faults.seed if emulator.faults.list() else UNSET,
            UNSET if development is None else str(development.ca_file),
            UNSET
            if development is None
            else trust.commands(development.ca_file, development.truststore),
        )

    def lines(self, program: str) -> Iterator[str]:
        """Return the lines for programs; docs/emulator.md documents them."""
        yield f"{program} is ready on {self.endpoint}"
        yield self.connection_string
        if self.control != self.endpoint:
            yield f"control={self.control}"
        if self.fault_seed is not UNSET:
            yield f"fault-seed={self.fault_seed}"
        if self.ca is not UNSET:
            yield f"ca={self.ca}"

    def banner(self) -> Iterator[str]:
        """Return the lines for a reader."""
        key = ", with the control key" if self.control_key_required else ""
        state = "in memory; to keep it in a file, pass --location FILE"
        rows = {
            "endpoint": self.endpoint,
            "control API": f"{self.control}{PREFIX}{key}",
            "page": f"{self.control}{PREFIX}, for browsers",
            "state": self.location or state,
            "Rooms API": ", ".join(self.api_versions.rooms),
            "Identity API": ", ".join(self.api_versions.identity),
            "to stop": "press Ctrl-C, or send SIGTERM",
        }
        yield "An emulator of Azure Communication Services, for development and tests only:"
        for name, text in rows.items():
            yield f"  {name:12}  {text}"
        if self.trust is not UNSET:
            yield f"Clients must trust the development CA, {self.ca}:"
            for name, command in self.trust.items():
                yield f"  {name:6}  {command}"
