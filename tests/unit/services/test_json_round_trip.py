"""Round trip from upstream JSON to the contract and back, without loss of a field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from acs.rooms.v1.participants_pb2 import Participant, ParticipantRole
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, UpdateRoomRequest
from acs.rooms.v1.rooms_pb2 import Room as RoomMessage
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from rooms_emulator import timestamps as ticks
from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.services.convert.rooms import create_to_rest, fill_room, update_to_rest
from rooms_gateway.upstream.models import Participant as RestParticipant
from rooms_gateway.upstream.models import Room

TIMES = st.integers(0, ticks.parse("9999-12-31T23:59:59.9999999Z")).map(ticks.render)
"""Times in the format of the Rooms service, as the emulator renders them."""

ROOMS = st.fixed_dictionaries(
    {"id": st.text(max_size=20)},
    optional={
        "createdAt": TIMES,
        "validFrom": TIMES,
        "validUntil": TIMES,
        "pstnDialOutEnabled": st.booleans(),
    },
)
ROLES = st.sampled_from(["Presenter", "Attendee", "Consumer", "Collaborator"]) | st.text(min_size=1)


def same_time(ours: str | None, theirs: str | None) -> bool:
    """Return whether two texts are the same instant, in units of 100 ns."""
    if ours is None or theirs is None:
        return ours is theirs
    return ticks.parse(ours) == ticks.parse(theirs)


@given(ROOMS)
def test_upstream_rooms_round_trip(room: dict[str, Any]) -> None:
    message = RoomMessage()
    fill_room(message, msgspec.json.decode(json.dumps(room), type=Room))
    assert message.id == room["id"]
    for name, field in (
        ("createdAt", "created_at"),
        ("pstnDialOutEnabled", "pstn_dial_out_enabled"),
    ):
        assert message.HasField(field) == (name in room)  # type: ignore[arg-type] # one of them
    assert same_time(
        message.created_at.ToJsonString() if message.HasField("created_at") else None,
        room.get("createdAt"),
    )

    create, update = CreateRoomRequest(), UpdateRoomRequest()
    for request in (create, update):
        for window_end in ("valid_from", "valid_until"):
            if message.HasField(window_end):
                getattr(request, window_end).CopyFrom(getattr(message, window_end))
        if message.HasField("pstn_dial_out_enabled"):
            request.pstn_dial_out_enabled = message.pstn_dial_out_enabled
    for body in (create_to_rest(create), update_to_rest(update)):
        sent = json.loads(msgspec.json.encode(body))
        assert set(sent) == set(room) - {"id", "createdAt"}
        assert sent.get("pstnDialOutEnabled") == room.get("pstnDialOutEnabled")
        assert same_time(sent.get("validFrom"), room.get("validFrom"))
        assert same_time(sent.get("validUntil"), room.get("validUntil"))


@given(st.dictionaries(st.text(min_size=1), ROLES))
def test_upstream_rosters_round_trip(roster: dict[str, str]) -> None:
    value = json.dumps([{"rawId": raw_id, "role": role} for raw_id, role in roster.items()])
    participants = msgspec.json.decode(value, type=list[RestParticipant])
    messages = [participant_from_rest(participant) for participant in participants]
    for message in messages:
        assert bool(message.role) != bool(message.unrecognized_role)
    sent = json.loads(msgspec.json.encode(roster_of(messages)))
    assert sent == {raw_id: {"role": role} for raw_id, role in roster.items()}
    assert list(sent) == list(roster)


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.sampled_from(ParticipantRole.values())), max_size=10
    ),
    st.lists(st.text(min_size=1), max_size=10),
)
def test_each_participant_is_sent_once(
    upsert: list[tuple[str, ParticipantRole.ValueType]], remove: list[str]
) -> None:
    """Duplicates are rejected."""
    raw_ids = [raw_id for raw_id, _ in upsert] + remove
    unique = len(set(raw_ids)) == len(raw_ids)
    participants = [Participant(raw_id=raw_id, role=role) for raw_id, role in upsert]
    if not unique:
        with pytest.raises(InvalidRequestError):
            roster_of(participants, remove)
        return
    roster = roster_of(participants, remove)
    sent = json.loads(msgspec.json.encode(roster))
    assert list(sent) == raw_ids
    assert [sent[raw_id] for raw_id in remove] == [None] * len(remove)


@given(
    st.none() | st.integers(0, 253_402_300_799),
    st.none() | st.integers(0, 253_402_300_799),
    st.none() | st.booleans(),
)
@example(0, 0, False)
def test_only_set_fields_are_sent(
    start: int | None,
    end: int | None,
    dial_out: bool | None,
) -> None:
    window = tuple(None if second is None else Timestamp(seconds=second) for second in (start, end))
    expected = {
        name
        for name, value in (
            ("validFrom", start),
            ("validUntil", end),
            ("pstnDialOutEnabled", dial_out),
        )
        if value is not None
    }
    create = CreateRoomRequest(
        valid_from=window[0], valid_until=window[1], pstn_dial_out_enabled=dial_out
    )
    update = UpdateRoomRequest(
        valid_from=window[0], valid_until=window[1], pstn_dial_out_enabled=dial_out
    )
    for body in (create_to_rest(create), update_to_rest(update)):
        assert set(json.loads(msgspec.json.encode(body))) == expected
