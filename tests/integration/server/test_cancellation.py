"""Cancelled calls: they release their resources, and other calls are unaffected."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    DeleteRoomRequest,
    GetRoomRequest,
    GetRoomResponse,
    ListRoomsRequest,
    UpdateRoomRequest,
)
from support.fast_gateway import Quick, quick_gateway, roomy
from support.gateways import HANDLERS, failure_of, until, upstream_of
from support.upstreams import Scripted, answer, scripted, silence

from rooms_emulator import Emulator
from rooms_gateway.call import Call
from rooms_gateway.errors import UpstreamUnavailableError
from rooms_gateway.server.assembly import ROOMS_SERVICE, add_service
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.calls.status import to_item_error
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.paging import PageWithNext, iterate_pages

if TYPE_CHECKING:
    from rooms_gateway.upstream.rooms_api import RoomsApi

ROOM = GetRoomRequest(room_id="1")
GOOD = answer(b'{"id":"1"}')
PAGE = answer(b'{"value":[{"id":"1"}],"nextLink":"/rooms?nextLink=2&api-version=2025-03-13"}')

UNARY: dict[str, Callable[[Quick], Any]] = {
    "GetRoom": lambda quick: quick.rooms.GetRoom(ROOM),
    "CreateRoom": lambda quick: quick.rooms.CreateRoom(CreateRoomRequest()),
    "UpdateRoom": lambda quick: quick.rooms.UpdateRoom(
        UpdateRoomRequest(room_id="1", pstn_dial_out_enabled=True)
    ),
    "DeleteRoom": lambda quick: quick.rooms.DeleteRoom(DeleteRoomRequest(room_id="1")),
}


@asynccontextmanager
async def nothing_left(service: Scripted) -> AsyncIterator[None]:
    """On exit, wait until the upstream connection and all tasks of the block have ended."""
    before = running()
    yield
    await until(lambda: service.closed_by_client > 0)
    await until(lambda: running() == before)


def running() -> Counter[str]:
    """Count the running tasks by coroutine; grpc starts a new one to wait for each call."""
    return Counter(
        str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()
    )


def handlers() -> int:
    """Return the number of handlers that grpc runs."""
    return sum(running()[name] for name in HANDLERS)


@pytest.mark.parametrize("operation", UNARY)
async def test_cancelled_call_ends_its_request(operation: str) -> None:
    async with scripted(silence, GOOD) as service, quick_gateway(service.upstream) as quick:
        async with nothing_left(service):
            call = UNARY[operation](quick)
            await until(lambda: len(service.requests) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert len(service.requests) == 1
        assert (await quick.rooms.GetRoom(ROOM)).room.id == "1"


async def test_cancelled_list_ends_its_request() -> None:
    async with scripted(PAGE, silence, GOOD) as service, quick_gateway(service.upstream) as quick:
        async with nothing_left(service):
            call = quick.rooms.ListRooms(ListRoomsRequest())
            page = await anext(aiter(call))
            assert [room.id for room in page.rooms] == ["1"]
            await until(lambda: len(service.requests) == 2)
            call.cancel()
        assert len(service.requests) == 2
        assert (await quick.rooms.GetRoom(ROOM)).room.id == "1"


async def test_read_ahead_error_is_retrieved_on_close() -> None:
    """The event loop reports no exception that was never retrieved."""
    left: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
    failed = asyncio.Event()

    async def fetch(query: str | None) -> PageWithNext[str]:
        if query is None:
            return PageWithNext(["first"], "second")
        failed.set()
        raise UpstreamUnavailableError("gone")

    pages = iterate_pages(fetch)
    assert (await anext(pages)).items == ["first"]
    await failed.wait()
    await pages.aclose()
    gc.collect()
    await asyncio.sleep(0)
    assert left == []


async def test_closed_channel_ends_upstream_requests() -> None:
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        async with grpc.aio.insecure_channel(quick.address) as channel:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            calls = [stub.GetRoom(ROOM) for _ in range(5)]
            await until(lambda: len(service.requests) == 5)
        await until(lambda: service.closed_by_client == 5)
        assert all(call.cancelled() for call in calls)


async def test_cancelled_handler_ends_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Suppressing the cancellation would leak memory in grpc with every call.
    caplog.set_level("DEBUG", "grpc")
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        call = quick.rooms.GetRoom(ROOM)
        await until(lambda: len(service.requests) == 1)
        call.cancel()
        await until(lambda: not handlers())
    assert "RPC cancelled for servicer method [/acs.rooms.v1.RoomsService/GetRoom]" in caplog.text


async def test_cancelled_call_is_logged_as_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        call = quick.rooms.GetRoom(ROOM)
        await until(lambda: len(service.requests) == 1)
        call.cancel()
        await until(lambda: "code=" in caplog.text)
    assert "code=CANCELLED" in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_cancelled_calls_release_connections() -> None:
    """More cancelled calls than connections leave the pool usable."""
    limit = 100
    async with (
        scripted(*[silence] * limit, GOOD) as service,
        quick_gateway(service.upstream) as quick,
    ):
        calls = [quick.rooms.GetRoom(ROOM) for _ in range(limit + 20)]
        await until(lambda: len(service.requests) == limit)
        for call in calls:
            call.cancel()
        await until(lambda: service.closed_by_client == limit)
        responses = await asyncio.gather(*(quick.rooms.GetRoom(ROOM) for _ in range(limit)))
        assert len(responses) == limit


class Stray(RoomsServicer):
    """A handler that awaits a cancelled future."""

    async def GetRoom(  # noqa: N802 - the contract's name
        self,
        request: GetRoomRequest,
        call: Call,
    ) -> GetRoomResponse:
        waited: asyncio.Future[GetRoomResponse] = asyncio.get_running_loop().create_future()
        waited.cancel()
        return await waited


async def test_stray_cancellation_returns_a_status() -> None:
    calls = Calls(default_timeout=30, admission=roomy())
    server = grpc.aio.server()
    servicer = Stray(cast("RoomsApi", None), FairConverter(), to_item_error)
    add_service(server, calls, ROOMS_SERVICE, servicer, "2025-03-13")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        failed = await failure_of(stub.GetRoom(ROOM))
    await server.stop(None)
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INTERNAL,
        "ERROR_REASON_GATEWAY_INTERNAL",
    )


# --- absent upstreams -----------------------------------------------------------------------------


@pytest.mark.parametrize("operation", UNARY)
async def test_absent_upstream_is_unavailable(operation: str) -> None:
    async with scripted(GOOD) as service:
        upstream = service.upstream
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(UNARY[operation](quick))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "ERROR_REASON_UPSTREAM_UNAVAILABLE",
    )
    assert failed.metadata["attempts"] == "4"
    assert "httpStatus" not in failed.metadata
    assert failed.message.startswith(f"no response from 127.0.0.1:{upstream.endpoint.port}: ")


async def test_upstream_without_tls_receives_no_request() -> None:
    received: list[bytes] = []

    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak_http, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream.with_key(Endpoint.parse(f"https://127.0.0.1:{port}"), b"key")
        async with quick_gateway(upstream) as quick:
            failed = await failure_of(quick.rooms.GetRoom(ROOM))
    assert failed.reason == "ERROR_REASON_UPSTREAM_MISCONFIGURED"
    assert len(received) == 1
    assert not any(b"rooms" in data or b"HMAC" in data for data in received)


async def test_delete_after_failed_connect_is_not_found(
    emulator: Emulator,
) -> None:
    """A first attempt that never reached the upstream does not turn its 404 into a success."""
    upstream = upstream_of(emulator)
    await emulator.stop()
    async with quick_gateway(upstream, max_attempts=2) as quick:
        # The upstream starts between the two attempts.
        transport_sleep = quick.transport._sleep

        async def sleep(seconds: float) -> None:
            await transport_sleep(seconds)
            await emulator.start()

        quick.transport._sleep = sleep
        failed = await failure_of(
            quick.rooms.DeleteRoom(DeleteRoomRequest(room_id="99400000000000000"))
        )
    assert failed.code is grpc.StatusCode.NOT_FOUND
    assert failed.metadata["attempts"] == "2"


async def test_restarted_upstream_is_used_again(emulator: Emulator) -> None:
    [room] = emulator.store.seed(1)
    async with quick_gateway(upstream_of(emulator)) as quick:
        await quick.rooms.GetRoom(GetRoomRequest(room_id=room))
        await emulator.stop()
        failed = await failure_of(quick.rooms.GetRoom(GetRoomRequest(room_id=room)))
        assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
        await emulator.start()
        assert (await quick.rooms.GetRoom(GetRoomRequest(room_id=room))).room.id == room
