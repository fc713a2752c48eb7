"""Room, counts and identifiers in the messages of a call that changes something, for its audit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from acs.identity.v1.users_pb2 import User
from acs.rooms.v1.identifiers_pb2 import CommunicationIdentifier, MicrosoftTeamsUser
from acs.rooms.v1.join_pb2 import Guest
from acs.rooms.v1.participants_pb2 import Participant
from google.protobuf.message import Message

from rooms_gateway.services.convert.dry_run import PLACEHOLDER
from rooms_gateway.services.convert.identifiers import to_raw_id

_ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_CREATED = frozenset({"new_user", "custom_id"})
"""Kinds of guests for which a user is created."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one call, as far as its messages show them."""

    room_id: str
    """Of the request, or of the room that was created; empty if there is none, or if it is no id.
    """
    participants: int
    removals: int
    guests: int
    users_created: int
    tokens_issued: int


def changes_of(request: Message | None, response: Message | None) -> Changes:
    """Return the changes of a call. A message is None if it was not read, or if there is none."""
    room_id = getattr(request, "room_id", "") or getattr(getattr(response, "room", None), "id", "")
    results = getattr(response, "results", ())
    guests = getattr(request, "guests", ())
    return Changes(
        room_id if _ROOM_ID.fullmatch(room_id) else "",
        len(_participants(request)),
        sum(len(each) for each in _removed(request, response)),
        len(guests),
        _has(response, "user")
        + sum(
            guest.WhichOneof("user") in _CREATED and result.HasField("participant")
            for guest, result in zip(guests, results, strict=False)
        ),
        sum(_has(each, "access_token") for each in (response, *results)),
    )


def identifiers_in(request: Message, response: Message | None) -> set[str]:
    """Return the raw ids and custom ids that a call names or creates, without those it removes.

    `request` must keep the rules of the contract.
    """
    found = {_raw_id(each) for each in _participants(request)}
    found |= {each.custom_id or _raw_id(each) for each in getattr(request, "guests", ())}
    found |= {_raw_id(each.participant) for each in getattr(response, "results", ())}
    users = (getattr(each, "user", None) for each in (request, response))
    found |= {_raw_id(user) for user in users if user is not None}
    found.add(getattr(request, "custom_id", ""))
    if teams_user := getattr(request, "user_id", ""):
        user = CommunicationIdentifier(microsoft_teams_user=MicrosoftTeamsUser(user_id=teams_user))
        found.add(to_raw_id(user))
    return found - {""}


def removed_identifiers_in(request: Message, response: Message | None) -> set[str]:
    """Return the raw ids of the participants that a call removes.

    `request` must keep the rules of the contract.
    """
    raw_ids, identifiers, removed = _removed(request, response)
    # The response of a dry run may have placeholders.
    shown = {_raw_id(each) for each in removed if not each.raw_id.startswith(PLACEHOLDER)}
    return {*raw_ids, *map(to_raw_id, identifiers), *shown}


def _participants(request: Message | None) -> Any:
    # Those of the legacy UpdateRoomRequest are in a message.
    return getattr(getattr(request, "roster", request), "participants", ())


def _removed(request: Message | None, response: Message | None) -> tuple[Any, Any, Any]:
    """Return the removed participants: raw ids, typed identifiers, and those of a sync."""
    return (
        getattr(request, "remove_raw_ids", ()),
        getattr(request, "remove_identifiers", ()),
        getattr(response, "removed", ()),
    )


def _raw_id(message: Participant | Guest | User) -> str:
    return message.raw_id or to_raw_id(message.identifier)


def _has(message: Message | None, name: str) -> bool:
    return hasattr(message, name) and message.HasField(name)  # type: ignore[union-attr] # hasattr
