"""REST api-versions and their features. A new api-version is a new row."""

from __future__ import annotations

from dataclasses import dataclass

from rooms_gateway.errors import UnsupportedApiVersionError
from rooms_gateway.upstream.models import CreateRoom, Roster, UpdateRoom


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One api-version and its features beyond the first stable one."""

    name: str
    pstn_dial_out: bool
    """Supports `pstnDialOutEnabled`; without support, the upstream ignores the member silently."""
    unknown_roles: frozenset[str]
    """Roles of the newest api-version that this one does not specify."""

    def check_room(self, body: CreateRoom | UpdateRoom) -> None:
        """Raise UnsupportedApiVersionError if `body` has a member that the version lacks."""
        if body.pstn_dial_out_enabled is not None:
            self.check_dial_out()

    def check_dial_out(self) -> None:
        """Raise UnsupportedApiVersionError if rooms lack `pstnDialOutEnabled`."""
        if not self.pstn_dial_out:
            raise self._unsupported("pstn_dial_out_enabled", "2024-04-15")

    def check_roster(self, roster: Roster) -> None:
        """Raise UnsupportedApiVersionError if `roster` has a role that the version lacks."""
        if self.unknown_roles and any(
            properties is not None and properties.role in self.unknown_roles
            for properties in roster.values()
        ):
            raise self._unsupported("the role Collaborator", "2025-03-13")

    def _unsupported(self, feature: str, since: str) -> UnsupportedApiVersionError:
        return UnsupportedApiVersionError(
            f"REST api-version {self.name} does not support {feature}: leave it out, or run the "
            f"gateway with --api-version {since} or newer"
        )


DEFAULT_API_VERSION = "2025-03-13"

_COLLABORATOR = frozenset({"Collaborator"})

API_VERSIONS = {
    version.name: version
    for version in (
        ApiVersion("2023-06-14", pstn_dial_out=False, unknown_roles=_COLLABORATOR),
        ApiVersion("2023-10-30-preview", pstn_dial_out=True, unknown_roles=_COLLABORATOR),
        ApiVersion("2024-04-15", pstn_dial_out=True, unknown_roles=_COLLABORATOR),
        ApiVersion("2025-03-13", pstn_dial_out=True, unknown_roles=frozenset()),
    )
}
"""The versions of the Rooms REST API that production lists."""

DEFAULT_IDENTITY_API_VERSION = "2023-10-01"

WITH_CUSTOM_IDS = "2025-03-02-preview"

IDENTITY_API_VERSIONS = (DEFAULT_IDENTITY_API_VERSION, WITH_CUSTOM_IDS, "2025-06-30", "2026-09-23")
"""Versions of the Identity REST API that have the scopes `voip.join` and `chat.join`."""
