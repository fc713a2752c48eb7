"""Room, counts and identifiers of every RPC that changes something."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import pytest
from acs.identity.v1 import users_pb2
from acs.options.v1.redaction_pb2 import sensitive
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as legacy
from acs.rooms.v1 import join_pb2, participants_pb2, rooms_pb2
from acs.rooms.v1.access_tokens_pb2 import AccessToken
from acs.rooms.v1.item_error_pb2 import ItemError
from acs.rooms.v1.join_pb2 import AdmittedGuest, Guest
from acs.rooms.v1.participants_pb2 import Participant
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from support.contract import METHODS
from support.samples import (
    ALICE,
    BOB,
    CAROL,
    A,
    B,
    C,
    D,
    communication_user,
    phone_number,
    teams_user,
)

from rooms_gateway.server.calls.changes import (
    Changes,
    changes_of,
    identifiers_in,
    removed_identifiers_in,
)

ROOM = "99432795022831979"
TOKEN = AccessToken(token="canary")
PHONE, TEAMS = "4:+15550100", "8:orgid:45ab2481-1c1c-4005-be24-0ffb879b1130"
ALL = {A, B, C}
ROSTER = [ALICE, BOB, CAROL]
GUESTS = [Guest(raw_id=A), Guest(identifier=communication_user(B)), Guest(custom_id="mine")]
GUESTS.append(Guest(new_user=Empty()))
RESULTS = [
    AdmittedGuest(participant=ALICE, access_token=TOKEN),
    AdmittedGuest(participant=Participant(raw_id=B), error=ItemError(code=5)),
    AdmittedGuest(error=ItemError(code=14)),
    AdmittedGuest(participant=Participant(raw_id=D), access_token=TOKEN),
]
REMOVAL = {"remove_raw_ids": [A, PHONE], "remove_identifiers": [teams_user(TEAMS[8:])]}
REMOVED = {A, PHONE, TEAMS}


class Row(NamedTuple):
    """A call, and its line."""

    request: Message
    response: Message | None
    changes: Changes
    identifiers: AbstractSet[str] = frozenset()
    removed: AbstractSet[str] = frozenset()


def changes(room: str = ROOM, *counts: int) -> Changes:
    """Return changes; missing counts are 0."""
    return Changes(room, *(*counts, 0, 0, 0, 0, 0)[:5])


def user(raw_id: str) -> users_pb2.User:
    return users_pb2.User(raw_id=raw_id)


ROWS = {
    "acs.rooms.v1.RoomsService.CreateRoom": Row(
        rooms_pb2.CreateRoomRequest(participants=ROSTER, request_id="r"),
        rooms_pb2.CreateRoomResponse(room=rooms_pb2.Room(id=ROOM), participants=ROSTER),
        changes(ROOM, 3),
        ALL,
    ),
    "acs.rooms.v1.RoomsService.UpdateRoom": Row(
        rooms_pb2.UpdateRoomRequest(room_id=ROOM), None, changes()
    ),
    "acs.rooms.v1.RoomsService.DeleteRoom": Row(
        rooms_pb2.DeleteRoomRequest(room_id=ROOM), rooms_pb2.DeleteRoomResponse(), changes()
    ),
    "acs.rooms.v1.ParticipantsService.UpsertParticipants": Row(
        participants_pb2.UpsertParticipantsRequest(room_id=ROOM, participants=ROSTER),
        participants_pb2.UpsertParticipantsResponse(),
        changes(ROOM, 3),
        ALL,
    ),
    "acs.rooms.v1.ParticipantsService.RemoveParticipants": Row(
        participants_pb2.RemoveParticipantsRequest(room_id=ROOM, **REMOVAL),  # type: ignore[arg-type] # of a table
        None,
        changes(ROOM, 0, 3),
        removed=REMOVED,
    ),
    "acs.rooms.v1.ParticipantsService.UpdateParticipants": Row(
        participants_pb2.UpdateParticipantsRequest(
            room_id=ROOM,
            participants=[BOB],
            **REMOVAL,  # type: ignore[arg-type] # of a table
        ),
        None,
        changes(ROOM, 1, 3),
        {B},
        REMOVED,
    ),
    "acs.rooms.v1.ParticipantsService.SyncParticipants": Row(
        participants_pb2.SyncParticipantsRequest(room_id=ROOM, participants=ROSTER),
        participants_pb2.SyncParticipantsResponse(added=ROSTER, removed=[Participant(raw_id=D)]),
        changes(ROOM, 3, 1),
        ALL,
        {D},
    ),
    "acs.rooms.v1.JoinService.AdmitParticipants": Row(
        join_pb2.AdmitParticipantsRequest(room_id=ROOM, guests=GUESTS),
        join_pb2.AdmitParticipantsResponse(results=RESULTS, room=rooms_pb2.Room(id=ROOM)),
        changes(ROOM, 0, 0, 4, 1, 2),
        {A, B, "mine", D},
    ),
    "acs.rooms.v1.JoinService.CreateRoomWithGuests": Row(
        join_pb2.CreateRoomWithGuestsRequest(participants=[CAROL], guests=GUESTS),
        join_pb2.CreateRoomWithGuestsResponse(results=RESULTS, room=rooms_pb2.Room(id=ROOM)),
        changes(ROOM, 1, 0, 4, 1, 2),
        {A, B, C, "mine", D},
    ),
    "acs.identity.v1.IdentityService.CreateUser": Row(
        users_pb2.CreateUserRequest(custom_id="mine"),
        users_pb2.CreateUserResponse(user=user(A), access_token=TOKEN),
        changes("", 0, 0, 0, 1, 1),
        {"mine", A},
    ),
    "acs.identity.v1.IdentityService.IssueToken": Row(
        users_pb2.IssueTokenRequest(user=user(A)),
        users_pb2.IssueTokenResponse(access_token=TOKEN),
        changes("", 0, 0, 0, 0, 1),
        {A},
    ),
    "acs.identity.v1.IdentityService.RevokeTokens": Row(
        users_pb2.RevokeTokensRequest(user=users_pb2.User(identifier=communication_user(B))),
        users_pb2.RevokeTokensResponse(),
        changes(""),
        {B},
    ),
    "acs.identity.v1.IdentityService.DeleteUser": Row(
        users_pb2.DeleteUserRequest(user=user(A)), None, changes(""), {A}
    ),
    "acs.identity.v1.IdentityService.ExchangeTeamsUserToken": Row(
        users_pb2.ExchangeTeamsUserTokenRequest(teams_token="canary", user_id=TEAMS[8:]),
        users_pb2.ExchangeTeamsUserTokenResponse(access_token=TOKEN),
        changes("", 0, 0, 0, 0, 1),
        {TEAMS},
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.CreateRoom": Row(
        legacy.CreateRoomRequest(participants=ROSTER),
        legacy.CreateRoomResponse(room=legacy.Room(id=ROOM, participants=ROSTER)),
        changes(ROOM, 3),
        ALL,
    ),
    # The response has the whole roster, not only the changes.
    "acs.rooms.legacy.v1.LegacyRoomsService.UpdateRoom": Row(
        legacy.UpdateRoomRequest(room_id=ROOM, roster=legacy.Roster(participants=[ALICE])),
        legacy.UpdateRoomResponse(room=legacy.Room(id=ROOM, participants=ROSTER)),
        changes(ROOM, 1),
        {A},
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.DeleteRoom": Row(
        legacy.DeleteRoomRequest(room_id=ROOM), legacy.DeleteRoomResponse(), changes()
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.AddParticipants": Row(
        legacy.AddParticipantsRequest(room_id=ROOM, participants=ROSTER),
        legacy.AddParticipantsResponse(),
        changes(ROOM, 3),
        ALL,
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.UpdateParticipants": Row(
        legacy.UpdateParticipantsRequest(room_id=ROOM, participants=[BOB]),
        None,
        changes(ROOM, 1),
        {B},
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.RemoveParticipants": Row(
        legacy.RemoveParticipantsRequest(
            room_id=ROOM, remove_raw_ids=[A], remove_identifiers=[phone_number(PHONE[2:])]
        ),
        None,
        changes(ROOM, 0, 2),
        removed={A, PHONE},
    ),
}

CHANGING = {
    method.full_name: method
    for method in METHODS
    if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
    # Their items are requests of other RPCs.
    and not method.client_streaming
}

NOT_IDENTIFIERS = {"label", "teams_token"}
"""Sensitive fields that identify no participant."""


def test_every_rpc_with_side_effects_has_a_row() -> None:
    assert set(ROWS) == set(CHANGING)


@pytest.mark.parametrize("name", ROWS)
def test_row_has_room_counts_and_identifiers(name: str) -> None:
    row, method = ROWS[name], CHANGING[name]
    assert method.input_type == row.request.DESCRIPTOR
    assert row.response is None or method.output_type == row.response.DESCRIPTOR
    assert changes_of(row.request, row.response) == row.changes
    assert identifiers_in(row.request, row.response) == row.identifiers
    assert removed_identifiers_in(row.request, row.response) == row.removed


def identifier_fields(message: Descriptor, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the texts in `message` that identify a participant."""
    for field in message.fields:
        below = (*path, field.name)
        if field.message_type is not None:
            yield from identifier_fields(field.message_type, below)
        elif field.GetOptions().Extensions[sensitive] and field.name not in NOT_IDENTIFIERS:
            yield below


PATHS = [
    (method.input_type, path)
    for method in CHANGING.values()
    for path in identifier_fields(method.input_type)
]


@pytest.mark.parametrize(
    ("descriptor", "path"),
    PATHS,
    ids=lambda each: each.name if isinstance(each, Descriptor) else "",
)
def test_every_identifier_of_a_request_is_found(
    descriptor: Descriptor, path: tuple[str, ...]
) -> None:
    request = message = GetMessageClass(descriptor)()
    *parents, last = path
    for name in parents:
        inner: Any = getattr(message, name)
        message = inner.add() if hasattr(inner, "add") else inner
    if message.DESCRIPTOR.fields_by_name[last].is_repeated:
        getattr(message, last).append("canary")
    else:
        setattr(message, last, "canary")
    [found] = identifiers_in(request, None) | removed_identifiers_in(request, None)
    assert found.endswith("canary")


@pytest.mark.parametrize("room_id", ["8:acs:canary", "4:+15550100", "a b", "x" * 65, "é", "a\n"])
def test_malformed_room_id_is_omitted(room_id: str) -> None:
    """It may be an identifier in the wrong field."""
    assert changes_of(rooms_pb2.DeleteRoomRequest(room_id=room_id), None) == changes("")


def test_call_without_messages_has_no_changes() -> None:
    assert changes_of(None, None) == changes("")
