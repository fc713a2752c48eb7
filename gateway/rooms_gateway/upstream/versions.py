"""What each api-version of the Rooms REST API knows. A new version is a new row."""

from __future__ import annotations

from dataclasses import dataclass

from rooms_gateway.errors import UnsupportedApiVersionError
from rooms_gateway.upstream.models import CreateRoom, Roster, UpdateRoom


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One api-version and what it knows beyond the first stable one."""

    name: str
    pstn_dial_out: bool
    """`pstnDialOutEnabled` in rooms. Older versions ignore it without a word."""
    unknown_roles: frozenset[str]
    """Roles of the newest version that this one does not specify."""

    def check_room(self, body: CreateRoom | UpdateRoom) -> None:
        """Raise UnsupportedApiVersionError if `body` uses what this version does not know."""
        if body.pstn_dial_out_enabled is not None and not self.pstn_dial_out:
            raise self._unsupported("pstn_dial_out_enabled", "2024-04-15")

    def check_roster(self, roster: Roster) -> None:
        """Raise UnsupportedApiVersionError if `roster` uses a role that this version does not know."""
        if self.unknown_roles and any(
            person is not None and person.role in self.unknown_roles for person in roster.values()
        ):
            raise self._unsupported("the role Collaborator", "2025-03-13")

    def _unsupported(self, what: str, since: str) -> UnsupportedApiVersionError:
        return UnsupportedApiVersionError(
            f"REST api-version {self.name} does not know {what}: leave it out, or run the gateway "
            f"with --api-version {since} or newer"
        )


DEFAULT_API_VERSION = "2025-03-13"

_COLLABORATOR = frozenset({"Collaborator"})

API_VERSIONS = {
    version.name: version
    for version in (
        ApiVersion("2023-06-14", pstn_dial_out=False, unknown_roles=_COLLABORATOR),
        ApiVersion("2024-04-15", pstn_dial_out=True, unknown_roles=_COLLABORATOR),
        ApiVersion("2025-03-13", pstn_dial_out=True, unknown_roles=frozenset()),
    )
}
"""The stable versions."""
