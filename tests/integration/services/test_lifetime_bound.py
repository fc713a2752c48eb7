"""`--max-room-lifetime`: no create or update sends a window that is longer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as legacy_pb
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    Room,
    UpdateRoomRequest,
    UpdateRoomResponse,
)
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from support.gateways import A_UUID, Running, failure_of, gateway_for, gateway_for_examples
from support.room_creates import CREATES, call, create_request, sent_window
from support.rosters import create, moment
from support.samples import REJECTED

from rooms_emulator import Emulator
from rooms_emulator import timestamps as ticks
from rooms_emulator.timestamps import TICKS_PER_SECOND

HOUR, DAY = 3600, 86_400
NANOS = 10**9
TOO_LONG = (grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_ROOM_LIFETIME_TOO_LONG")


@dataclass(frozen=True)
class Window:
    """Nanoseconds of a start, and the length of the window in nanoseconds."""

    start_nanos: int
    length: int
    fits: bool


BOUND = 1800
AT_THE_BOUND = {
    "exactly": Window(0, BOUND * NANOS, fits=True),
    "one tick less": Window(0, BOUND * NANOS - 100, fits=True),
    "one tick more": Window(0, BOUND * NANOS + 100, fits=False),
    "less than a tick more": Window(0, BOUND * NANOS + 99, fits=True),
    "from a tick": Window(123_456_700, BOUND * NANOS, fits=True),
    "from a tick, one more": Window(123_456_700, BOUND * NANOS + 100, fits=False),
    "from between ticks": Window(123_456_799, BOUND * NANOS, fits=True),
    # The service truncates both: the end reaches the next tick, the start does not.
    "from between ticks, 1 ns more": Window(123_456_799, BOUND * NANOS + 1, fits=False),
    "across a second": Window(999_999_900, BOUND * NANOS + 100, fits=False),
    "empty": Window(0, 0, fits=True),
}


def window_from(start: Timestamp, window: Window) -> tuple[Timestamp, Timestamp]:
    begin = Timestamp(seconds=start.seconds, nanos=window.start_nanos)
    end = Timestamp()
    end.FromNanoseconds(begin.ToNanoseconds() + window.length)
    return begin, end


@pytest.mark.parametrize("case", AT_THE_BOUND)
async def test_a_window_at_the_bound_is_sent(emulator: Emulator, case: str) -> None:
    """One tick beyond it is not, in any create or update."""
    window = AT_THE_BOUND[case]
    async with gateway_for(emulator, enable_legacy=True, max_room_lifetime=float(BOUND)) as running:
        room = await create(running)
        emulator.journal.clear()
        begin, end = window_from(moment(emulator, 1), window)
        ends: dict[str, Any] = {"valid_from": begin, "valid_until": end}
        legacy = "acs.rooms.legacy.v1.LegacyRoomsService.UpdateRoom"
        requests = [
            *((name, create_request(name, **ends)) for name in CREATES),
            ("acs.rooms.v1.RoomsService.UpdateRoom", UpdateRoomRequest(room_id=room.id, **ends)),
            (legacy, legacy_pb.UpdateRoomRequest(room_id=room.id, **ends)),
        ]
        for name, request in requests:
            if window.fits:
                await call(running, name, request)
                sent_from, sent_until = sent_window(running)
                assert sent_from is not None
                assert sent_until is not None
                assert sent_until - sent_from <= BOUND * TICKS_PER_SECOND
            else:
                failed = await failure_of(call(running, name, request))
                assert (failed.code, failed.reason) == TOO_LONG
                assert list(failed.violations) == ["valid_until"]
                assert running.requests() == 0


async def test_an_end_alone_is_bounded_from_now(emulator: Emulator) -> None:
    async with gateway_for(emulator, max_room_lifetime=float(DAY)) as running:
        failed = await failure_of(create(running, valid_until=moment(emulator, 1 + 1 / 24)))
        assert (failed.code, failed.reason) == TOO_LONG
        assert running.requests() == 0
        await create(running, valid_until=moment(emulator, 23 / 24))
        assert sent_window(running)[0] is None


@pytest.fixture
async def bounded(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(emulator, max_room_lifetime=float(DAY)) as running:
        yield running


@pytest.fixture
async def room(bounded: Running) -> Room:
    """Create a room that opens in 10 days for 12 hours."""
    emulator = bounded.emulator
    room = await create(
        bounded, valid_from=moment(emulator, 10), valid_until=moment(emulator, 10.5)
    )
    emulator.journal.clear()
    return room


def later(time: Timestamp, nanos: int) -> Timestamp:
    result = Timestamp()
    result.FromNanoseconds(time.ToNanoseconds() + nanos)
    return result


@pytest.mark.parametrize(("tick", "fits"), [(0, True), (100, False)])
@pytest.mark.parametrize("field", ["valid_from", "valid_until"])
async def test_one_end_is_bounded_with_the_other(
    bounded: Running, room: Room, field: str, tick: int, fits: bool
) -> None:
    """The other end is read first; the violation names the end of the request."""
    length = DAY * NANOS + tick
    changed = (
        later(room.valid_from, length)
        if field == "valid_until"
        else later(room.valid_until, -length)
    )
    ends: dict[str, Any] = {field: changed}
    request = UpdateRoomRequest(room_id=room.id, **ends)
    if fits:
        await bounded.rooms.UpdateRoom(request)
        assert bounded.requests("UpdateRoom") == 1
        return
    failed = await failure_of(bounded.rooms.UpdateRoom(request))
    assert (failed.code, failed.reason) == TOO_LONG
    assert list(failed.violations) == [field]
    assert bounded.requests("GetRoom") == 1
    assert bounded.requests("UpdateRoom") == 0


async def test_an_older_long_room_can_be_changed(emulator: Emulator) -> None:
    """Only a window that the update sets is checked."""
    async with gateway_for(emulator) as unbounded:
        room = await create(unbounded)
    async with gateway_for(emulator, max_room_lifetime=float(DAY)) as running:
        await running.rooms.UpdateRoom(
            UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=True)
        )
        two_days, one_day = (
            UpdateRoomRequest(
                room_id=room.id, valid_until=later(room.valid_from, days * DAY * NANOS)
            )
            for days in (2, 1)
        )
        failed = await failure_of(running.rooms.UpdateRoom(two_days))
        assert (failed.code, failed.reason) == TOO_LONG
        await running.rooms.UpdateRoom(one_day)


async def test_one_end_alone_is_rejected_by_the_service(emulator: Emulator) -> None:
    """Without complete windows, there is no window to check, and none is stored."""
    async with gateway_for(
        emulator, max_room_lifetime=float(DAY), complete_windows=False
    ) as running:
        room = await create(running)
        request = UpdateRoomRequest(room_id=room.id, valid_until=moment(emulator, 100))
        failed = await failure_of(running.rooms.UpdateRoom(request))
        assert (failed.code, failed.reason) == REJECTED


async def test_concurrent_updates_keep_the_bound(bounded: Running, room: Room) -> None:
    """Each sends a whole window, so that two of one end each do not add up."""
    hours = [*range(1, 13)]
    requests = [
        *(
            UpdateRoomRequest(room_id=room.id, valid_from=later(room.valid_from, -h * HOUR * NANOS))
            for h in hours
        ),
        *(
            UpdateRoomRequest(
                room_id=room.id, valid_until=later(room.valid_until, h * HOUR * NANOS)
            )
            for h in hours
        ),
    ]
    results = await asyncio.gather(*map(bounded.rooms.UpdateRoom, requests), return_exceptions=True)
    assert any(isinstance(each, UpdateRoomResponse) for each in results)
    stored = bounded.emulator.store.get(room.id)
    assert stored.valid_until - stored.valid_from <= DAY * TICKS_PER_SECOND


async def test_a_dry_run_checks_the_bound(emulator: Emulator) -> None:
    async with gateway_for(emulator, max_room_lifetime=60.0) as running:
        start = moment(emulator, 1)
        end = Timestamp(seconds=start.seconds + 61)
        requests = (
            CreateRoomRequest(valid_from=start, valid_until=end, dry_run=DryRun()),
            UpdateRoomRequest(room_id="1", valid_from=start, valid_until=end, dry_run=DryRun()),
        )
        for request, stub in zip(
            requests, (running.rooms.CreateRoom, running.rooms.UpdateRoom), strict=True
        ):
            failed = await failure_of(stub(request))  # type: ignore[operator] # each its request
            assert (failed.code, failed.reason) == TOO_LONG
        assert running.requests() == 0


@pytest.fixture(scope="module")
def examples() -> Iterator[tuple[asyncio.Runner, Running]]:
    with gateway_for_examples(max_room_lifetime=float(HOUR), enable_legacy=True) as found:
        yield found


OFFSETS = st.none() | st.integers(-3 * HOUR * NANOS, 3 * HOUR * NANOS)


@given(st.sampled_from(["create", "update", "legacy", "guests"]), OFFSETS, OFFSETS)
def test_no_request_exceeds_the_bound(
    examples: tuple[asyncio.Runner, Running], kind: str, start: int | None, end: int | None
) -> None:
    runner, running = examples
    emulator = running.emulator
    now = moment(emulator, 0.5)

    async def attempt() -> grpc.StatusCode:
        room = await create(running, request_id=A_UUID)
        emulator.journal.clear()
        ends: dict[str, Any] = {
            name: later(now, offset)
            for name, offset in (("valid_from", start), ("valid_until", end))
            if offset is not None
        }
        requests: dict[str, tuple[str, Message]] = {
            "create": ("acs.rooms.v1.RoomsService.CreateRoom", CreateRoomRequest(**ends)),
            "update": (
                "acs.rooms.v1.RoomsService.UpdateRoom",
                UpdateRoomRequest(room_id=room.id, **ends),
            ),
            "legacy": (
                "acs.rooms.legacy.v1.LegacyRoomsService.CreateRoom",
                legacy_pb.CreateRoomRequest(**ends),
            ),
            "guests": (
                "acs.rooms.v1.JoinService.CreateRoomWithGuests",
                create_request("acs.rooms.v1.JoinService.CreateRoomWithGuests", **ends),
            ),
        }
        try:
            await call(running, *requests[kind])
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    assert runner.run(attempt()) in {
        grpc.StatusCode.OK,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
    }
    for entry in emulator.journal:
        if entry.operation in {"CreateRoom", "UpdateRoom"}:
            body = json.loads(entry.body)
            begin = ticks.parse(body["validFrom"]) if "validFrom" in body else entry.at
            assert ticks.parse(body["validUntil"]) - begin <= HOUR * TICKS_PER_SECOND
