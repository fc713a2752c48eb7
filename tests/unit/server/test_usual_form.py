"""Requests of the usual form break no rule; all others are left to protovalidate."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from acs.rooms.v1.identifiers_pb2 import CommunicationIdentifier
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
    RemoveParticipantsRequest,
    SyncParticipantsRequest,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    DeleteRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    UpdateRoomRequest,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from support.contract import METHODS
from support.samples import user
from validation_rules import RuleReader

from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.server.calls import validation
from rooms_gateway.services.convert.participants import roster_of
from rooms_gateway.upstream.models import Roster

ROOM = "99400000000000001"
UUID = "99c0b1e0-4be6-4d4f-a52d-55bd9ee4ff04"
REQUESTS = {method.input_type.full_name: method.input_type for method in METHODS}

for _request in REQUESTS.values():
    validation.compile_rules(GetMessageClass(_request))


class UnusualError(Exception):
    """The request was left to protovalidate."""


class Unused:
    """Replaces the validator."""

    def collect_violations(self, request: Message) -> list[object]:
        raise UnusualError


def roster_if_usual(request: Message) -> Roster | None:
    """Return the roster that the fast way reads.

    Raises UnusualError, and InvalidRequestError for too many items.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_validator", Unused())
        return validation.validate(request)


TEXTS = st.sampled_from(
    [
        *("", "a", "a b", "é", "\n", f"{ROOM}\n", ROOM, user(0), user(1), user(2)),
        *(UUID, UUID.upper(), f"{UUID}\n", UUID[:-1], f"{{{UUID}}}"),
        *(letter * count for letter in "xé" for count in (64, 65, 256, 257)),
    ]
)
OTHERS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([-1, *range(8)]),
}
USUAL_PARTICIPANTS = st.lists(
    st.builds(Participant, raw_id=st.sampled_from([*map(user, range(9))]), role=st.integers(0, 4)),
    unique_by=lambda each: each.raw_id,
    max_size=9,
)


def values_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if (type_ := field.message_type) is not None:
        return st.deferred(lambda: messages_of(type_))
    return OTHERS.get(field.cpp_type, st.integers(0, 9))


@st.composite
def messages_of(draw: st.DrawFn, descriptor: Descriptor) -> Any:
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        value = draw(values_of(field))
        if field.is_repeated:
            items = [value] * draw(st.sampled_from([1, 1, 2, 350, 351]))
            if field.message_type is Participant.DESCRIPTOR:
                items = draw(st.just(items) | USUAL_PARTICIPANTS)
            getattr(message, field.name).extend(items)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    return message


@pytest.mark.parametrize("name", REQUESTS)
@given(st.data())
def test_a_usual_request_breaks_no_rule(name: str, data: st.DataObject) -> None:
    """Neither a rule of the protos nor one of rosters, and its roster is that of the slow way."""
    request = data.draw(messages_of(REQUESTS[name]))
    try:
        roster = roster_if_usual(request)
    except (UnusualError, InvalidRequestError):
        return
    assert validation._validator.collect_violations(request) == []
    if roster is not None:
        assert roster == roster_of(request.participants)
        assert [*roster] == [each.raw_id for each in request.participants]


MANY = [
    Participant(raw_id=f"{number:0256}", role=PARTICIPANT_ROLE_PRESENTER) for number in range(350)
]
SOME = [Participant(raw_id=user(0)), Participant(raw_id=user(1), role=PARTICIPANT_ROLE_PRESENTER)]
USUAL: list[Message] = [
    GetRoomRequest(room_id=ROOM),
    GetRoomRequest(room_id="a-_Z" * 16, include_participants=True),
    DeleteRoomRequest(room_id=ROOM),
    ListRoomsRequest(page_token="x"),
    UpdateRoomRequest(room_id=ROOM, pstn_dial_out_enabled=False),
    UpdateRoomRequest(room_id=ROOM, valid_until=Timestamp()),
    CreateRoomRequest(),
    CreateRoomRequest(request_id=UUID, participants=SOME),
    UpsertParticipantsRequest(room_id=ROOM, participants=MANY),
    SyncParticipantsRequest(room_id=ROOM, expected_fingerprint="x"),
    UpdateParticipantsRequest(room_id=ROOM, participants=MANY, remove_raw_ids=[user(3)]),
    RemoveParticipantsRequest(room_id=ROOM, remove_raw_ids=[user(3)] * 350),
]


@pytest.mark.parametrize("request_", USUAL, ids=lambda each: each.DESCRIPTOR.name)
def test_frequent_requests_are_usual(request_: Message) -> None:
    roster = roster_if_usual(request_)
    participants = getattr(request_, "participants", None)
    assert roster == (None if participants is None else roster_of(participants))


UNUSUAL: dict[str, Message] = {
    "a line end after an id": GetRoomRequest(room_id=f"{ROOM}\n"),
    "no change": UpdateRoomRequest(room_id=ROOM),
    "nobody": UpsertParticipantsRequest(room_id=ROOM),
    "351 participants": CreateRoomRequest(
        participants=[Participant(raw_id=user(number)) for number in range(351)]
    ),
    "an identifier": CreateRoomRequest(
        participants=[Participant(raw_id="x", identifier=CommunicationIdentifier())]
    ),
    "an unrecognized role": CreateRoomRequest(
        participants=[Participant(raw_id="x", unrecognized_role="y")]
    ),
    "an undefined role": CreateRoomRequest(participants=[Participant(raw_id="x", role=5)]),  # type: ignore[arg-type] # on purpose
    "a participant twice": CreateRoomRequest(participants=[*SOME, SOME[0]]),
    "a long raw id": CreateRoomRequest(participants=[Participant(raw_id="x" * 257)]),
    "no raw id": CreateRoomRequest(participants=[Participant()]),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_other_requests_are_left_to_protovalidate(name: str) -> None:
    with pytest.raises(UnusualError):
        roster_if_usual(UNUSUAL[name])


def test_rules_of_participants_are_those_read_in_one_pass() -> None:
    """`usual_roster` is written by hand: a rule that is new or has changed belongs there too."""
    contract = files("acs").joinpath("descriptors.binpb").read_bytes()
    rules = RuleReader(FileDescriptorSet.FromString(contract))
    parts: tuple[Any, ...] = (
        Participant.DESCRIPTOR,
        *Participant.DESCRIPTOR.fields,
        *Participant.DESCRIPTOR.oneofs,
    )
    found = {part.name: str(rules.read(part.GetOptions())) for part in parts}
    assert {name: " ".join(text.split()) for name, text in found.items() if text} == {
        "raw_id": "string { max_len: 256 }",
        "role": "enum { defined_only: true }",
        "unrecognized_role": "string { max_len: 64 }",
    }
