"""What an import creates for a room of an export."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_PRESENTER, Participant
from acs.rooms.v1.rooms_pb2 import Room
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from support.samples import user

from rooms_gateway.cli.client.transfer.export import room_line
from rooms_gateway.cli.client.transfer.plans import (
    MAX_WINDOW,
    ImportOptions,
    Plan,
    SkippedRoomError,
    plan_room,
    read_room,
)

NOW = 1_900_000_000
DAY = 86_400
JOB = UUID("11111111-2222-4333-8444-555555555555")
OPTIONS = ImportOptions(JOB)


def exported(
    start: int | None = -DAY, end: int | None = DAY, *participants: Participant, **fields: Any
) -> dict[str, Any]:
    """Return the line of a room with a window relative to NOW."""
    room = Room(id="994", created_at=Timestamp(seconds=NOW - 100), **fields)
    if start is not None:
        room.valid_from.seconds = NOW + start
        room.valid_from.nanos = 700
    if end is not None:
        room.valid_until.seconds = NOW + end
        room.valid_until.nanos = 700
    return dict(room_line(room, participants))


def planned(line: dict[str, Any], options: ImportOptions = OPTIONS, now: int = NOW) -> Plan:
    return plan_room(read_room(line), line, now, options)


def window(plan: Plan) -> tuple[int | None, int | None]:
    request = plan.request
    return (
        request.valid_from.seconds - NOW if request.HasField("valid_from") else None,
        request.valid_until.seconds - NOW if request.HasField("valid_until") else None,
    )


@pytest.mark.parametrize(
    ("start", "end", "expected", "changes"),
    [
        (-DAY, DAY, (None, DAY), 1),
        (DAY, 2 * DAY, (DAY, 2 * DAY), 0),
        (0, DAY, (None, DAY), 1),
        (-DAY, MAX_WINDOW, (None, MAX_WINDOW), 1),
        (-DAY, MAX_WINDOW + 1, (None, None), 2),
        (DAY, DAY + MAX_WINDOW, (DAY, DAY + MAX_WINDOW), 0),
        (DAY, DAY + MAX_WINDOW + 1, (DAY, DAY + MAX_WINDOW), 1),
        (None, None, (None, None), 0),
    ],
)
def test_a_window_is_kept_as_far_as_possible(
    start: int | None, end: int | None, expected: tuple[int | None, int | None], changes: int
) -> None:
    """An unset start is now, and an unset end 180 days from now, by the clock of the service."""
    plan = planned(exported(start, end))
    assert window(plan) == expected
    assert len(plan.changes) == changes


@pytest.mark.parametrize("end", [-DAY, 0])
def test_a_room_that_has_ended_is_skipped_or_reopened(end: int) -> None:
    line = exported(-2 * DAY, end)
    with pytest.raises(SkippedRoomError, match="its window has ended at 2030-"):
        planned(line)
    plan = planned(line, ImportOptions(JOB, reopen=7 * DAY))
    assert window(plan) == (None, 7 * DAY)
    assert len(plan.changes) == 1


def test_roster_and_dial_out_are_kept() -> None:
    """A role that the contract does not know, too."""
    roster = [
        Participant(raw_id=user(0), role=PARTICIPANT_ROLE_PRESENTER),
        Participant(raw_id=user(1), unrecognized_role="Moderator"),
    ]
    plan = planned(exported(None, None, *roster, pstn_dial_out_enabled=True))
    assert list(plan.request.participants) == roster
    assert plan.request.pstn_dial_out_enabled


def test_disabled_dial_out_is_not_sent() -> None:
    """It is the default, and api-versions without it would reject it."""
    plan = planned(exported(pstn_dial_out_enabled=False))
    assert not plan.request.HasField("pstn_dial_out_enabled")


def test_the_key_depends_on_job_and_room_only() -> None:
    """A later run sends the same key, although the window has moved on."""
    key = planned(exported()).request.request_id
    assert planned(exported(-5, 5), OPTIONS, NOW - 1).request.request_id == key
    assert planned(exported(), ImportOptions(uuid4())).request.request_id != key
    other = exported() | {"room": {"id": "995"}}
    assert planned(other).request.request_id != key


@pytest.mark.parametrize(
    ("raw_id", "kept"),
    [
        ("8:acs:673b0cb0-1d59-4af9-8c76-b8f271944b42_1", True),
        ("8:gcch-acs:673B0CB0-1d59-4af9-8c76-b8f271944b42_1", True),
        ("8:acs:673b0cb0-1d59-4af9-8c76-b8f271944b43_1", False),
        ("8:orgid:673b0cb0-1d59-4af9-8c76-b8f271944b42", False),
        ("4:+15551234567", False),
        ("8:acs", False),
    ],
)
def test_participants_of_one_resource_can_be_selected(raw_id: str, *, kept: bool) -> None:
    line = exported(-1, 1, Participant(raw_id=raw_id))
    assert planned(line).request.participants
    options = ImportOptions(JOB, "673b0cb0-1d59-4af9-8c76-b8f271944b42")
    plan = planned(line, options)
    assert [each.raw_id for each in plan.request.participants] == [raw_id] * kept
    assert plan.dropped == [raw_id] * (not kept)


@pytest.mark.parametrize(
    "line",
    [
        {"room": None},
        {"room": []},
        {"room": {}},
        {"room": {"id": 7}},
        {"room": {"id": "7", "validFrom": "soon"}},
        {"room": {"id": "7"}, "participants": None},
        {"room": {"id": "7"}, "participants": 7},
        {"room": {"id": "7"}, "participants": ["x"]},
        {"room": {"id": "7"}, "participants": [{"role": "KING"}]},
    ],
)
def test_a_malformed_room_is_an_error(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a room of an export"):
        planned(line)


def test_unknown_members_are_ignored() -> None:
    line = exported()
    line["room"]["color"] = "blue"
    line["owner"] = "x"
    assert planned(line).room.id == "994"


@given(
    st.none() | st.integers(-400 * DAY, 400 * DAY),
    st.none() | st.integers(-400 * DAY, 400 * DAY),
)
def test_no_window_exceeds_what_the_service_accepts(start: int | None, end: int | None) -> None:
    try:
        plan = planned(exported(start, end))
    except SkippedRoomError:
        assert end is not None
        assert end <= 0
        return
    begin, finish = window(plan)
    assert begin is None or begin > 0
    assert finish is None or finish > 0
    assert finish is None or finish - (begin or 0) <= MAX_WINDOW
