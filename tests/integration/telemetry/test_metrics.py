"""Metrics of calls: exact counts after real calls of every outcome, read over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import pytest
from acs.rooms.v1 import error_reason_pb2
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from support.collectors import Scrape, scrape, settled
from support.gateways import Running, collect, failure_of, gateway_for, until
from support.upstreams import answer, held, scripted

from rooms_emulator import Emulator, Fault

SERVICE = "acs.rooms.v1.RoomsService"
NO_SUCH_ROOM = "99400000000000000"


# --- outcomes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """One outcome of a call, and its labels and counts in the metrics."""

    code: str
    go_code: str
    call: Callable[[Running], Awaitable[None]]
    reason: str = ""
    method: str = "GetRoom"
    faults: tuple[Fault, ...] = ()
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By HTTP status and type of error."""
    sent: int = 0
    error_type: str = ""

    @property
    def streams(self) -> bool:
        return self.method == "ListRooms"


async def found(running: Running) -> None:
    [room] = running.emulator.store.seed(1)
    await running.rooms.GetRoom(GetRoomRequest(room_id=room))


async def not_found(running: Running) -> None:
    await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=NO_SUCH_ROOM)))


async def invalid(running: Running) -> None:
    await failure_of(running.rooms.GetRoom(GetRoomRequest()))


async def cancelled(running: Running) -> None:
    call = running.rooms.GetRoom(GetRoomRequest(room_id=NO_SUCH_ROOM))
    waiting = asyncio.ensure_future(call.code())
    await until(lambda: running.requests() == 1)
    call.cancel()
    assert await waiting is grpc.StatusCode.CANCELLED


async def pages(running: Running) -> None:
    running.emulator.store.seed(95)
    assert len(await collect(running.rooms.ListRooms(ListRoomsRequest()))) == 4


async def pages_and_error(running: Running) -> None:
    running.emulator.store.seed(95)
    await failure_of(lambda: collect(running.rooms.ListRooms(ListRoomsRequest())))


OUTCOMES = {
    "a success": Outcome("OK", "OK", found, attempts={("200", ""): 1}, sent=1),
    "a request that breaks a rule": Outcome(
        "INVALID_ARGUMENT", "InvalidArgument", invalid, "ERROR_REASON_REQUEST_INVALID"
    ),
    "no such room": Outcome(
        "NOT_FOUND",
        "NotFound",
        not_found,
        "ERROR_REASON_ROOM_NOT_FOUND",
        attempts={("404", "404"): 1},
    ),
    "an outage, retried": Outcome(
        *("UNAVAILABLE", "Unavailable", not_found, "ERROR_REASON_UPSTREAM_UNAVAILABLE"),
        faults=(Fault(status=503, count=None),),
        attempts={("503", "503"): 2},
        error_type="UNAVAILABLE",
    ),
    "connections that are lost": Outcome(
        *("UNAVAILABLE", "Unavailable", not_found, "ERROR_REASON_UPSTREAM_UNAVAILABLE"),
        faults=(Fault(drop="before", count=None),),
        attempts={("", "connection_lost"): 2},
        error_type="UNAVAILABLE",
    ),
    "a retry that helped": Outcome(
        *("OK", "OK", found),
        faults=(Fault(status=500),),
        attempts={("500", "500"): 1, ("200", ""): 1},
        sent=1,
    ),
    "throttling": Outcome(
        *("RESOURCE_EXHAUSTED", "ResourceExhausted", not_found, "ERROR_REASON_THROTTLED"),
        # A shorter pause than the time between two calls.
        faults=(Fault(status=429, headers={"Retry-After": "0.000001"}, count=None),),
        attempts={("429", "429"): 1},
    ),
    "a cancelled call": Outcome(
        *("CANCELLED", "Canceled", cancelled),
        faults=(Fault(latency=5, count=None),),
        attempts={("", "cancelled"): 1},
    ),
    "a list": Outcome("OK", "OK", pages, method="ListRooms", attempts={("200", ""): 4}, sent=4),
    "a list that fails on a later page": Outcome(
        *("INTERNAL", "Internal", pages_and_error, "ERROR_REASON_UPSTREAM_RESPONSE_INVALID"),
        method="ListRooms",
        faults=(Fault(operation="ListRooms", skip=2, body="{"),),
        attempts={("200", ""): 3},
        sent=2,
        error_type="INTERNAL",
    ),
}

outcomes = pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)


async def produce(watched: Running, outcome: Outcome, times: int = 2) -> Scrape:
    """Produce `outcome` twice by default, so that a constant 1 fails the test."""
    for _ in range(times):
        watched.emulator.journal.clear()
        watched.emulator.faults.clear()
        watched.emulator.store.clear()
        for fault in outcome.faults:
            watched.emulator.faults.add(fault)
        await outcome.call(watched)
        await settled(watched.gateway.admin_address)
    return await settled(watched.gateway.admin_address)


@outcomes
async def test_call_is_counted_once_for_dashboards(watched: Running, outcome: Outcome) -> None:
    """The names are those of go-grpc-prometheus."""
    seen = await produce(watched, outcome)
    labels = {
        "grpc_type": "server_stream" if outcome.streams else "unary",
        "grpc_service": SERVICE,
        "grpc_method": outcome.method,
    }
    assert seen.value("grpc_server_started_total", **labels) == 2
    assert seen.value("grpc_server_handled_total", **labels, grpc_code=outcome.go_code) == 2
    assert seen.value("grpc_server_handling_seconds_count", **labels) == 2
    assert seen.value("grpc_server_msg_sent_total", **labels) == 2 * outcome.sent
    for name in ("started_total", "handled_total", "handling_seconds_count"):
        assert seen.total(f"grpc_server_{name}") == 2


@outcomes
async def test_call_is_counted_once_for_opentelemetry(watched: Running, outcome: Outcome) -> None:
    """The names are those of OpenTelemetry's semantic conventions."""
    seen = await produce(watched, outcome)
    labels = {
        "rpc_system_name": "grpc",
        "rpc_method": f"{SERVICE}/{outcome.method}",
        "rpc_response_status_code": outcome.code,
        "error_type": outcome.error_type,
    }
    assert seen.value("rpc_server_call_duration_seconds_count", **labels) == 2
    assert seen.total("rpc_server_call_duration_seconds_count") == 2
    seconds = seen.value("rpc_server_call_duration_seconds_sum", **labels)
    assert seconds == pytest.approx(seen.total("grpc_server_handling_seconds_sum"))
    assert seconds > 0


@outcomes
async def test_attempts_are_counted_by_outcome(watched: Running, outcome: Outcome) -> None:
    seen = await produce(watched, outcome)
    for (status, error), count in outcome.attempts.items():
        labels = {
            "http_request_method": "GET",
            "http_response_status_code": status,
            "error_type": error,
        }
        assert seen.value("http_client_request_duration_seconds_count", **labels) == 2 * count
    attempts = 2 * sum(outcome.attempts.values())
    assert seen.total("http_client_request_duration_seconds_count") == attempts
    throttled = 2 * outcome.attempts.get(("429", "429"), 0)
    assert seen.value("rooms_gateway_upstream_throttled_total") == throttled


async def test_call_past_its_deadline_is_counted_once(emulator: Emulator) -> None:
    """The deadline is the gateway's, which starts with the handler.

    A client's deadline can pass before the call reaches the gateway, and then nothing is counted.
    For the same reason the number of attempts is the one that the status reports.
    """
    emulator.faults.add(Fault(latency=60, count=None))
    async with gateway_for(emulator, admin_listen="127.0.0.1:0", default_timeout=0.2) as running:
        request = GetRoomRequest(room_id=NO_SUCH_ROOM)
        failures = [await failure_of(running.rooms.GetRoom(request)) for _ in range(2)]
        seen = await settled(running.gateway.admin_address)
    assert seen.total("grpc_server_started_total") == 2
    assert seen.total("grpc_server_handled_total", grpc_code="DeadlineExceeded") == 2
    assert seen.total("grpc_server_handled_total") == 2
    duration = "rpc_server_call_duration_seconds_count"
    assert seen.total(duration, error_type="DEADLINE_EXCEEDED") == seen.total(duration) == 2
    failed = "rooms_gateway_call_failures_total"
    assert seen.value(failed, reason="ERROR_REASON_DEADLINE_EXCEEDED") == seen.total(failed) == 2
    attempts = sum(int(failure.metadata["attempts"]) for failure in failures)
    assert seen.total("http_client_request_duration_seconds_count") == attempts


@outcomes
async def test_failed_call_is_counted_by_its_reason(watched: Running, outcome: Outcome) -> None:
    seen = await produce(watched, outcome)
    assert seen.total("rooms_gateway_call_failures_total") == (2 if outcome.reason else 0)
    if outcome.reason:
        assert seen.value("rooms_gateway_call_failures_total", reason=outcome.reason) == 2


async def test_requests_and_attempts_are_counted_apart(watched: Running) -> None:
    watched.emulator.faults.add(Fault(status=503))
    await not_found(watched)
    await not_found(watched)
    seen = await settled(watched.gateway.admin_address)
    assert seen.value("rooms_gateway_upstream_requests_total") == 2
    assert seen.total("http_client_request_duration_seconds_count") == 3


async def test_overload_is_not_counted_as_throttling(emulator: Emulator) -> None:
    release = asyncio.Event()
    async with (
        scripted(held(release, answer(b'{"id":"1"}'))) as service,
        gateway_for(
            emulator,
            service.upstream,
            admin_listen="127.0.0.1:0",
            max_concurrent_calls=1,
            max_queued_calls=0,
        ) as running,
    ):
        busy = asyncio.ensure_future(running.rooms.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: len(service.requests) == 1)
        assert (await scrape(running.gateway.admin_address)).value(
            "rooms_gateway_calls_in_flight"
        ) == 1
        await not_found(running)
        release.set()
        await busy
        seen = await settled(running.gateway.admin_address)
    assert seen.total("grpc_server_handled_total", grpc_code="ResourceExhausted") == 1
    assert (
        seen.value("rooms_gateway_call_failures_total", reason="ERROR_REASON_GATEWAY_OVERLOADED")
        == 1
    )
    assert seen.value("rooms_gateway_upstream_throttled_total") == 0
    assert seen.value("rooms_gateway_calls_in_flight") == 0


async def test_retry_budget_and_withheld_retries(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(status=503, headers={"Retry-After": "0"}, count=None))
    async with gateway_for(emulator, admin_listen="127.0.0.1:0", max_attempts=21) as running:
        for _ in range(3):
            await not_found(running)
        seen = await settled(running.gateway.admin_address)
    # 50 in reserve; three calls add 0.1 each, the first of them to a full budget.
    assert seen.value("rooms_gateway_retry_budget") == pytest.approx(0.2)
    assert seen.value("rooms_gateway_upstream_retries_withheld_total") == 1
    assert seen.total("http_client_request_duration_seconds_count") == 53


async def test_reasons_are_published_ones(watched: Running) -> None:
    # Throttling last: the gateway paces afterwards.
    for name in sorted(OUTCOMES, key="throttling".__eq__):
        await produce(watched, OUTCOMES[name], times=1)
    seen = await settled(watched.gateway.admin_address)
    published = set(error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name)
    reported = {dict(labels).get("reason") for _, labels in seen.samples} - {None}
    assert reported
    assert reported <= published
