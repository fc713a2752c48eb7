"""Spans of calls and attempts, as received by a real OTLP receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    UpdateRoomRequest,
)
from google.protobuf.timestamp_pb2 import Timestamp
from support.collectors import Receiver, receiver
from support.gateways import (
    JOIN_REQUESTS,
    ONE_OF_EACH,
    UNKNOWN_ROOM,
    Running,
    collect,
    failure_of,
    gateway_for,
    until,
)
from support.gateways import send as call_of
from support.several_resources import US, several

from rooms_emulator import Emulator, Fault

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SAMPLED = (("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "vendor=a,b@c=d"))
UNSAMPLED = (("traceparent", f"00-{TRACE}-{SPAN}-00"),)
GET = "acs.rooms.v1.RoomsService/GetRoom"
NOWHERE = GetRoomRequest(room_id=UNKNOWN_ROOM)


@pytest.fixture
async def received(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """Run a receiver and set the SDK's variables to it."""
    async with receiver() as state:
        for name, value in state.environment.items():
            monkeypatch.setenv(name, value)
        yield state


@asynccontextmanager
async def traced(emulator: Emulator, **others: Any) -> AsyncIterator[Running]:
    """Run a gateway that has exported all its spans at the end of the block."""
    async with gateway_for(emulator, traces=True, **others) as running:
        yield running


def sent(emulator: Emulator, header: str = "traceparent") -> list[str | None]:
    """Return a header of each request to the upstream."""
    return [entry.headers.get(header) for entry in emulator.journal]


async def test_caller_span_is_the_parent_of_the_call(
    emulator: Emulator, received: Receiver
) -> None:
    """The call's span is the parent of its attempts."""
    emulator.faults.add(Fault(status=503, headers={"Retry-After": "0"}, count=2))
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=SAMPLED))
    [call] = received.calls
    assert (call.trace_id, call.parent_id) == (TRACE, SPAN)
    assert [attempt.parent_id for attempt in received.attempts] == [call.span_id] * 3
    assert {attempt.trace_id for attempt in received.attempts} == {TRACE}


async def test_span_of_each_attempt_is_propagated(emulator: Emulator, received: Receiver) -> None:
    emulator.faults.add(Fault(status=503, headers={"Retry-After": "0"}, count=2))
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=SAMPLED))
    assert sent(emulator) == [attempt.traceparent for attempt in received.attempts]
    assert len(set(sent(emulator))) == 3
    assert sent(emulator, "tracestate") == ["vendor=a,b@c=d"] * 3


async def test_attempts_have_resend_count_and_error(emulator: Emulator, received: Receiver) -> None:
    emulator.faults.add(Fault(status=503, headers={"Retry-After": "0"}))
    emulator.faults.add(Fault(drop="before"))
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
    port = int(emulator.endpoint.rpartition(":")[2].strip("/"))
    same = {
        "http.request.method": "GET",
        "url.template": "/rooms/{roomId}",
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    first, second, third = received.attempts
    assert first.attributes == same | {"http.response.status_code": 503, "error.type": "503"}
    assert second.attributes == same | {
        "http.request.resend_count": 1,
        "error.type": "connection_lost",
    }
    assert third.attributes == same | {
        "http.request.resend_count": 2,
        "http.response.status_code": 404,
        "error.type": "404",
    }
    assert {attempt.pb.name for attempt in received.attempts} == {"GET /rooms/{roomId}"}
    assert all(attempt.failed for attempt in received.attempts)


async def test_second_request_has_no_resend_count(emulator: Emulator, received: Receiver) -> None:
    """An update of one end of a window first reads the other."""
    async with traced(emulator) as running:
        made = await running.rooms.CreateRoom(CreateRoomRequest())
        until_ = Timestamp(seconds=made.room.valid_until.seconds - 60)
        await running.rooms.UpdateRoom(UpdateRoomRequest(room_id=made.room.id, valid_until=until_))
    _, read, write = received.attempts
    assert (read.attributes["http.request.method"], write.attributes["http.request.method"]) == (
        "GET",
        "PATCH",
    )
    assert "http.request.resend_count" not in write.attributes
    assert read.parent_id == write.parent_id == received.calls[1].span_id


async def test_call_span_has_status_reason_and_ids(emulator: Emulator, received: Receiver) -> None:
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=(("x-request-id", "mine-1"),)))
    [call] = received.calls
    attributes = call.attributes
    assert attributes.pop("rooms_gateway.upstream_id")
    assert attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": GET,
        "rpc.response.status_code": "NOT_FOUND",
        "rooms_gateway.reason": "ERROR_REASON_ROOM_NOT_FOUND",
        "rooms_gateway.request_id": "mine-1",
    }
    assert call.pb.name == GET
    # An error of the caller, not of this server.
    assert not call.failed
    assert call.parent_id == ""


async def test_upstream_failure_marks_the_span_as_error(
    emulator: Emulator, received: Receiver
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    async with traced(emulator, max_attempts=1) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
    [call] = received.calls
    assert call.failed
    assert call.attributes["error.type"] == "UNAVAILABLE"
    assert call.attributes["rooms_gateway.reason"] == "ERROR_REASON_UPSTREAM_UNAVAILABLE"


async def test_success_is_not_marked_as_error(emulator: Emulator, received: Receiver) -> None:
    async with traced(emulator) as running:
        await running.rooms.CreateRoom(CreateRoomRequest())
    assert [span.failed for span in received.spans] == [False, False]
    assert received.calls[0].attributes["rpc.response.status_code"] == "OK"
    assert "error.type" not in received.calls[0].attributes
    assert received.attempts[0].attributes["http.response.status_code"] == 201


async def test_cancelled_call_and_attempt_are_traced(
    emulator: Emulator, received: Receiver
) -> None:
    emulator.faults.add(Fault(latency=60))
    async with traced(emulator) as running:
        call = running.rooms.GetRoom(NOWHERE)
        waiting = asyncio.ensure_future(call.code())
        await until(lambda: running.requests() == 1)
        call.cancel()
        assert await waiting is grpc.StatusCode.CANCELLED
    [span], [attempt] = received.calls, received.attempts
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"
    assert not span.failed
    assert attempt.attributes["error.type"] == "cancelled"
    assert "http.response.status_code" not in attempt.attributes


async def test_a_deadline_is_a_server_error(emulator: Emulator, received: Receiver) -> None:
    """The deadline is the gateway's: a client's can pass before the call reaches the gateway."""
    emulator.faults.add(Fault(latency=60))
    async with traced(emulator, default_timeout=0.3) as running:
        call = running.rooms.GetRoom(NOWHERE)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    [span] = received.calls
    assert span.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.failed
    errors = {attempt.attributes["error.type"] for attempt in received.attempts}
    # On a busy machine, the deadline can pass while the attempt connects, or before it.
    assert errors <= {"timeout", "connect"}


async def test_list_has_one_attempt_for_each_page(emulator: Emulator, received: Receiver) -> None:
    emulator.store.seed(95)
    async with traced(emulator) as running:
        assert len(await collect(running.rooms.ListRooms(ListRoomsRequest()))) == 4
    [call] = received.calls
    assert call.attributes["rpc.method"] == "acs.rooms.v1.RoomsService/ListRooms"
    assert [attempt.parent_id for attempt in received.attempts] == [call.span_id] * 4
    assert {attempt.attributes["url.template"] for attempt in received.attempts} == {"/rooms"}
    end = call.pb.end_time_unix_nano
    assert all(attempt.pb.end_time_unix_nano <= end for attempt in received.attempts)


async def test_cancelled_list_ends_its_attempts(emulator: Emulator, received: Receiver) -> None:
    emulator.store.seed(95)
    emulator.faults.add(Fault(operation="ListRooms", skip=1, latency=60))
    async with traced(emulator) as running:
        pages = running.rooms.ListRooms(ListRoomsRequest())
        await pages.read()
        await until(lambda: running.requests() == 2)
        pages.cancel()
    [call] = received.calls
    assert call.attributes["rpc.response.status_code"] == "CANCELLED"
    first, second = received.attempts
    assert first.attributes["http.response.status_code"] == 200
    assert second.attributes["error.type"] == "cancelled"


EXPECTED = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_named_resources_are_in_spans(received: Receiver) -> None:
    """The name on the call, host and port of the endpoint on its attempts."""
    async with several(traces=True) as running:
        await running.rooms.CreateRoom(CreateRoomRequest(), metadata=US)
        await failure_of(running.rooms.GetRoom(NOWHERE))
        port = running.us.endpoint.rpartition(":")[2]
    named, unnamed = received.calls
    assert named.attributes["rooms_gateway.resource"] == "us"
    assert "rooms_gateway.resource" not in unnamed.attributes
    [attempt] = received.attempts
    assert attempt.attributes["server.port"] == int(port)


async def test_every_rpc_is_traced_under_its_name(emulator: Emulator, received: Receiver) -> None:
    requests = (*ONE_OF_EACH, *JOIN_REQUESTS)
    async with traced(emulator) as running:
        for request in requests:
            try:
                await call_of(running, request)
            except grpc.aio.AioRpcError as error:
                assert error.code() in EXPECTED  # noqa: PT017 - others may succeed
    methods = [str(call.attributes["rpc.method"]).rpartition("/")[2] for call in received.calls]
    assert methods == [type(request).__name__.removesuffix("Request") for request in requests]
    assert {attempt.attributes["url.template"] for attempt in received.attempts} == {
        "/rooms",
        "/rooms/{roomId}",
        "/rooms/{roomId}/participants",
        "/identities",
        "/identities/{id}",
        "/identities/{id}/:issueAccessToken",
        "/identities/{id}/:revokeAccessTokens",
        "/teamsUser/:exchangeAccessToken",
    }


async def test_invalid_request_has_no_attempt_span(emulator: Emulator, received: Receiver) -> None:
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(GetRoomRequest()))
    [span] = received.spans
    assert span.attributes["rooms_gateway.reason"] == "ERROR_REASON_REQUEST_INVALID"


async def test_unsampled_context_is_propagated(emulator: Emulator, received: Receiver) -> None:
    """Neither the gateway nor the upstream samples such a call."""
    emulator.faults.add(Fault(status=503, headers={"Retry-After": "0"}))
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=UNSAMPLED))
    assert received.spans == []
    for propagated in sent(emulator):
        assert propagated is not None
        assert propagated.startswith(f"00-{TRACE}-")
        assert propagated.endswith("-00")


async def test_always_off_sampler_is_propagated(
    emulator: Emulator, received: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
    assert received.spans == []
    [propagated] = sent(emulator)
    assert propagated is not None
    assert int(propagated[-2:], 16) & 1 == 0


async def test_disabled_sdk_propagates_the_context(
    emulator: Emulator, received: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=SAMPLED))
    assert received.spans == []
    assert sent(emulator) == [None, SAMPLED[0][1]]


async def test_context_is_propagated_without_tracing(
    emulator: Emulator,
) -> None:
    async with gateway_for(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE, metadata=SAMPLED))
        await failure_of(running.rooms.GetRoom(NOWHERE))
    assert sent(emulator) == [SAMPLED[0][1], None]
    assert sent(emulator, "tracestate") == [SAMPLED[1][1], None]


async def test_resource_has_name_and_version(
    emulator: Emulator, received: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resource has no attributes of the process, such as its command line."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
    keys = {
        each.key: each.value.string_value
        for resource in received.resources
        for each in resource.resource.attributes
    }
    assert keys["service.name"] == "rooms-gateway"
    assert keys["deployment.environment.name"] == "test"
    assert keys["service.version"]
    assert not any(key.startswith("process.") for key in keys)


async def test_service_name_from_the_environment(
    emulator: Emulator, received: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "rooms-of-contoso")
    async with traced(emulator) as running:
        await failure_of(running.rooms.GetRoom(NOWHERE))
    [resource] = {each.resource.SerializeToString() for each in received.resources}
    assert b"rooms-of-contoso" in resource
