"""Retry-After: followed up to a limit, reported above it, and parsed tolerantly."""

from __future__ import annotations

import time
from email.utils import formatdate

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2
from google.rpc.error_details_pb2 import RetryInfo
from support.every_operation import Operation, by_operation, get
from support.fast_gateway import Quick, quick_gateway
from support.gateways import ONE_OF_EACH, UNKNOWN_ROOM, failure_of, send, upstream_of
from support.upstreams import answer, raw, scripted

from rooms_emulator import Emulator, Fault


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (429, grpc.StatusCode.RESOURCE_EXHAUSTED, "ERROR_REASON_THROTTLED"),
        (503, grpc.StatusCode.UNAVAILABLE, "ERROR_REASON_UPSTREAM_UNAVAILABLE"),
    ],
)
async def test_retry_after_above_the_cap_ends_the_call(
    emulator: Emulator, quick: Quick, status: int, code: grpc.StatusCode, reason: str
) -> None:
    """The caller receives it as RetryInfo."""
    emulator.faults.add(Fault(status=status, headers={"Retry-After": "3600"}, count=None))
    failed = await failure_of(get(quick, UNKNOWN_ROOM))
    assert (failed.code, failed.reason) == (code, reason)
    assert _retry_delay(failed.detail(RetryInfo)) == 3600
    assert len(emulator.journal) == 1
    assert quick.slept == []


async def test_retry_after_above_the_deadline_ends_it(emulator: Emulator, quick: Quick) -> None:
    emulator.faults.add(Fault(status=429, headers={"Retry-After": "29"}, count=None))
    request = rooms_pb2.GetRoomRequest(room_id=UNKNOWN_ROOM)
    failed = await failure_of(quick.rooms.GetRoom(request, timeout=20))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "ERROR_REASON_THROTTLED",
    )
    assert _retry_delay(failed.detail(RetryInfo)) == 29
    assert len(emulator.journal) == 1


async def test_retry_after_may_be_a_date(emulator: Emulator) -> None:
    """It is read against the clock of the gateway."""
    now = float(int(time.time()))
    emulator.faults.add(
        Fault(status=429, headers={"Retry-After": formatdate(now + 9, usegmt=True)})
    )
    [room] = emulator.store.seed(1)
    async with quick_gateway(upstream_of(emulator), clock=lambda: now) as quick:
        await get(quick, room)
        assert quick.slept == [9.1]


PARTS_OF_A_SECOND = pytest.mark.parametrize(
    "header", ["retry-after-ms: 700", "x-ms-retry-after-ms: 700", "Retry-After: 0.7"]
)


@PARTS_OF_A_SECOND
@by_operation
async def test_parts_of_a_second_are_waited(operation: Operation, header: str) -> None:
    status = "204 No Content" if operation.name == "DeleteRoom" else "200 OK"
    async with (
        scripted(
            answer(b"", "429 Slow", header), answer(b'{"id":"1","value":[]}', status)
        ) as server,
        quick_gateway(server.upstream) as quick,
    ):
        await operation.call(quick, "1")
        [wait] = quick.slept
    assert 0.7 <= wait < 1


@PARTS_OF_A_SECOND
@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
async def test_parts_of_a_second_reach_the_caller(header: str, status: str) -> None:
    for request in ONE_OF_EACH:
        async with (
            scripted(answer(b"", status, header)) as server,
            quick_gateway(server.upstream, max_attempts=1, max_pacing_wait=0) as quick,
        ):
            failed = await failure_of(send(quick, request))
            assert _retry_delay(failed.detail(RetryInfo)) == 0.7, type(request).__name__


@pytest.mark.parametrize("text", ["soon", "-5", "1.5.2", "", "²", "Mon, 99 Foo 2026"])
async def test_a_malformed_retry_after_is_ignored(text: str) -> None:
    throttled = raw(
        b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: %b\r\n\r\n" % text.encode()
    )
    async with (
        scripted(throttled, answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream) as quick,
    ):
        await get(quick, "1")
        # The pacer's backoff, with its jitter.
        assert quick.slept == [1.1]


@pytest.mark.parametrize("digits", [9, 20, 400])
async def test_a_huge_retry_after_is_capped(digits: int) -> None:
    throttled = answer(b"", "429 Slow", f"Retry-After: {'9' * digits}")
    async with scripted(throttled) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "ERROR_REASON_THROTTLED",
    )
    assert _retry_delay(failed.detail(RetryInfo)) == min(10**digits - 1, 315_576_000_000)


def _retry_delay(info: RetryInfo | None) -> float:
    assert info is not None
    return info.retry_delay.ToMilliseconds() / 1000
