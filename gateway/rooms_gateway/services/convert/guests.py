"""Conversion of the guests of a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from acs.rooms.v1 import join_pb2 as pb

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.convert import identifiers
from rooms_gateway.services.convert.participants import role_to_rest
from rooms_gateway.upstream.models import ParticipantProperties, Roster


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest to admit. Without a raw id and a custom id, a user is created."""

    raw_id: str | None
    custom_id: str | None
    role: str | None
    """REST name of the role; None: the present role, or the default."""
    label: str

    @property
    def is_new(self) -> bool:
        """Whether a user is created for certain."""
        return self.raw_id is None and self.custom_id is None


def read_guests(guests: Iterable[pb.Guest]) -> list[Guest]:
    """Convert guests. Raises InvalidRequestError for rules that the proto cannot express."""
    found: list[Guest] = []
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(guests):
        kind = each.WhichOneof("user")
        field = f"guests[{index}].{kind}"
        raw_id = custom_id = None
        if kind == "custom_id":
            custom_id = each.custom_id
        elif kind == "raw_id":
            raw_id = each.raw_id
        elif kind == "identifier":
            raw_id = identifiers.requested_raw_id(each.identifier, field)
        if raw_id is not None and not identifiers.is_communication_user(raw_id):
            text = "must identify a user of a Communication Services resource"
            raise InvalidRequestError(Violation(field, text))
        key = ("custom_id", custom_id) if custom_id is not None else ("raw_id", raw_id or "")
        if key[1] and key in seen:
            raise InvalidRequestError(Violation(field, "is a guest more than once"))
        seen.add(key)
        found.append(Guest(raw_id, custom_id, role_to_rest(each.role), each.label))
    return found


def planned_roster(guests: Iterable[Guest], default_role: str) -> Roster:
    """Return the change of the roster, with a placeholder for each user that is not known yet.

    `default_role` is that of guests without one: whether they are on the roster is not known.
    """
    roster: dict[str, ParticipantProperties | None] = {}
    number = 0
    for guest in guests:
        raw_id = guest.raw_id
        if raw_id is None:
            number += 1
            raw_id = f"<new user {number}>"
        roster[raw_id] = ParticipantProperties(guest.role or default_role)
    return roster
