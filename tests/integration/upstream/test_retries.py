"""Retries: which failures are retried, and that a retried call takes effect once."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2
from support.every_operation import (
    OPERATIONS,
    Operation,
    by_operation,
    create,
    delete,
    entries,
    list_rooms,
    rooms_in,
    update,
)
from support.fast_gateway import Quick
from support.gateways import UNKNOWN_ROOM, failure_of

from rooms_emulator import Emulator, Fault

FAULTS: dict[str, dict[str, Any]] = {
    "dropped before the effect": {"drop": "before"},
    "dropped after the effect": {"drop": "after"},
    "408": {"status": 408},
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "7"}},
    "500": {"status": 500},
    "502": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "503": {"status": 503},
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "7"}},
    "504": {"status": 504, "body": ""},
    "truncated body": {"truncate": 1},
}


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(operation, fault, id=f"{operation.name}-{fault}")
        for operation in OPERATIONS
        for fault in FAULTS
        # The response to a delete has no body that could be truncated.
        if (operation.name, fault) != ("DeleteRoom", "truncated body")
    ],
)
async def test_a_retried_call_takes_effect_once(
    emulator: Emulator, quick: Quick, operation: Operation, fault: str
) -> None:
    """One injected failure costs one retry and its backoff."""
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, **FAULTS[fault]))
    response = await operation.call(quick, room)
    assert operation.worked(response, emulator, room)
    assert len(entries(emulator, operation.name)) == 2
    # The pacer's backoff after a 429 begins at a second.
    backoff = 1.1 if fault == "429" else 0.1
    assert quick.slept == [7.1 if "Retry-After" in fault else backoff]


@by_operation
@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 415])
async def test_a_4xx_is_not_retried(
    emulator: Emulator, quick: Quick, operation: Operation, status: int
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, status=status, count=None))
    failed = await failure_of(operation.call(quick, room))
    assert failed.metadata["httpStatus"] == str(status)
    assert failed.metadata["attempts"] == "1"
    assert len(entries(emulator, operation.name)) == 1


@by_operation
async def test_an_outage_costs_four_attempts(
    emulator: Emulator, quick: Quick, operation: Operation
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, status=503, count=None))
    failed = await failure_of(operation.call(quick, room))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "ERROR_REASON_UPSTREAM_UNAVAILABLE",
    )
    assert failed.metadata["attempts"] == "4"
    assert len(entries(emulator, operation.name)) == 4
    assert quick.slept == [0.1, 0.2, 0.4]


@pytest.mark.proves("S35")
@pytest.mark.parametrize("drop", ["before", "after"])
async def test_create_retries_share_a_repeatability_id(
    emulator: Emulator, quick: Quick, drop: Any
) -> None:
    """All attempts together create one room."""
    request_id = "6b0a9d5e-7a1c-4c4e-9d35-0d6f0a1f2b3c"
    emulator.faults.add(Fault(operation="CreateRoom", drop=drop, count=3))
    created = await quick.rooms.CreateRoom(rooms_pb2.CreateRoomRequest(request_id=request_id))
    sent = [
        (entry.headers["Repeatability-Request-ID"], entry.headers["Repeatability-First-Sent"])
        for entry in entries(emulator, "CreateRoom")
    ]
    assert len(sent) == 4
    assert len(set(sent)) == 1
    assert sent[0][0] == request_id
    assert [room.id for room in emulator.store.rooms_page().items] == [created.room.id]


async def test_each_create_gets_a_repeatability_id(emulator: Emulator, quick: Quick) -> None:
    for _ in range(3):
        await create(quick, "")
    ids = {entry.headers["Repeatability-Request-ID"] for entry in entries(emulator, "CreateRoom")}
    assert len(ids) == 3
    assert rooms_in(emulator) == 3


async def test_a_list_retries_the_failed_page_only(emulator: Emulator, quick: Quick) -> None:
    ids = emulator.store.seed(70)
    emulator.faults.add(Fault(operation="ListRooms", skip=1, status=503))
    pages = await list_rooms(quick, "")
    assert [room.id for page in pages for room in page.rooms] == ids[::-1]
    assert len(entries(emulator, "ListRooms")) == len(pages) + 1


async def test_a_retried_delete_treats_404_as_success(emulator: Emulator, quick: Quick) -> None:
    """After a lost response the room may be deleted already."""
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation="DeleteRoom", drop="after"))
    await delete(quick, room)
    assert [entry.status for entry in entries(emulator, "DeleteRoom")] == [None, 404]


async def test_deleting_an_unknown_room_is_not_found(emulator: Emulator, quick: Quick) -> None:
    failed = await failure_of(delete(quick, UNKNOWN_ROOM))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "ERROR_REASON_ROOM_NOT_FOUND",
    )
    assert len(entries(emulator, "DeleteRoom")) == 1


async def test_a_delete_retried_after_429_is_not_found(emulator: Emulator, quick: Quick) -> None:
    """A throttled attempt cannot have deleted the room."""
    emulator.faults.add(Fault(operation="DeleteRoom", status=429))
    failed = await failure_of(delete(quick, UNKNOWN_ROOM))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "ERROR_REASON_ROOM_NOT_FOUND",
    )
    assert failed.metadata["attempts"] == "2"


async def test_a_retried_update_treats_404_as_an_error(emulator: Emulator, quick: Quick) -> None:
    emulator.faults.add(Fault(drop="after"))
    failed = await failure_of(update(quick, UNKNOWN_ROOM))
    assert failed.code is grpc.StatusCode.NOT_FOUND
