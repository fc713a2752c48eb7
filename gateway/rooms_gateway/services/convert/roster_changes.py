"""The changes that make a roster equal to another, and the fingerprint of a roster."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from rooms_gateway.services.convert.dry_run import placeholder
from rooms_gateway.upstream.models import Participant, ParticipantProperties, Roster

_DIGEST_SIZE = 15
"""Bytes; a multiple of three, so that its base64 form has no padding."""

Roles = Mapping[str, str]
"""REST roles by raw id."""


@dataclass(frozen=True, slots=True)
class RosterChanges:
    """The changes from one roster to another, in the order of the rosters."""

    added: list[Participant]
    """With the new role, as `changed`."""
    changed: list[Participant]
    removed: list[Participant]
    """With the former role."""
    unchanged_count: int

    def to_rest(self) -> Roster:
        """Return the body of the PATCH that makes the changes; empty if there are none."""
        roster: Roster = {
            each.raw_id: ParticipantProperties(each.role) for each in (*self.added, *self.changed)
        }
        return roster | {each.raw_id: None for each in self.removed}

    def redacted(self) -> RosterChanges:
        """Return the changes with placeholders for raw ids, those of a redacted dry run."""
        names = map(placeholder, itertools.count(1))

        def redact(participants: list[Participant]) -> list[Participant]:
            return [Participant(next(names), each.role) for each in participants]

        return RosterChanges(
            redact(self.added), redact(self.changed), redact(self.removed), self.unchanged_count
        )


def roles_by_raw_id(participants: Iterable[Participant]) -> dict[str, str]:
    """Return the roles of a roster that was read."""
    return {each.raw_id: each.role for each in participants}


def compare(present: Roles, wanted: Roles) -> RosterChanges:
    """Return the changes from the roster `present` to the roster `wanted`."""
    added, changed = [], []
    for raw_id, role in wanted.items():
        current = present.get(raw_id)
        if current is None:
            added.append(Participant(raw_id, role))
        elif current != role:
            changed.append(Participant(raw_id, role))
    removed = [
        Participant(raw_id, role) for raw_id, role in present.items() if raw_id not in wanted
    ]
    return RosterChanges(added, changed, removed, len(wanted) - len(added) - len(changed))


def fingerprint(roster: Roles, *scope: str) -> str:
    """Return the fingerprint of a roster; the order of the participants does not matter.

    `scope` is the identity of the resource, `RoomsApi.resource`, and the id of the room.
    It is a hash without a key: neither a secret nor a proof.
    """
    # As JSON, so that no two rosters are the same bytes.
    data = msgspec.json.encode((scope, sorted(roster.items())))
    digest = hashlib.blake2b(data, digest_size=_DIGEST_SIZE).digest()
    return base64.urlsafe_b64encode(digest).decode()
