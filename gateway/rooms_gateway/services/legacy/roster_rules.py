"""Roster rules of the preview that the stable REST API does not have: strict changes, replacement.

Pure functions; a `Roster` is in the order of the request's field `participants`.
"""

from __future__ import annotations

from collections.abc import Iterable

from rooms_gateway.errors import AlreadyParticipantError, NotParticipantError, Violation
from rooms_gateway.services.convert.participants import roles_of
from rooms_gateway.services.convert.roster_changes import compare, roles_by_raw_id
from rooms_gateway.upstream.models import Participant, Roster


def check_absent(roster: Roster, current: Iterable[Participant]) -> None:
    """Raise AlreadyParticipantError, with a violation each, if any of `roster` is in `current`."""
    present = {participant.raw_id for participant in current}
    indexes = [index for index, raw_id in enumerate(roster) if raw_id in present]
    if indexes:
        raise AlreadyParticipantError(
            f"{len(indexes)} of the participants to add are in the room already; none was added",
            *_violations(indexes, "is in the room already"),
        )


def check_present(roster: Roster, current: Iterable[Participant]) -> None:
    """Raise NotParticipantError, with a violation each, if any of `roster` is not in `current`."""
    present = {participant.raw_id for participant in current}
    indexes = [index for index, raw_id in enumerate(roster) if raw_id not in present]
    if indexes:
        raise NotParticipantError(
            f"{len(indexes)} of the participants to change are not in the room; none was changed",
            *_violations(indexes, "is not in the room"),
        )


def replace_roster(
    current: Iterable[Participant], roster: Roster
) -> tuple[list[Participant], Roster]:
    """Return the roster after `current` is replaced by `roster`, and the changes that do so.

    The result is in the order of the Rooms service: remaining participants first, in their previous
    order. A missing role becomes the default role.
    """
    old, new = roles_by_raw_id(current), roles_of(roster)
    ordered = {raw_id: new[raw_id] for raw_id in old if raw_id in new} | new
    return [Participant(raw_id, role) for raw_id, role in ordered.items()], compare(
        old, new
    ).to_rest()


def _violations(indexes: list[int], description: str) -> list[Violation]:
    return [Violation(f"participants[{index}]", description) for index in indexes]
