"""Calls that are given up half-way: what they held is let go, and others do not notice."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    DeleteRoomRequest,
    GetRoomRequest,
    GetRoomResponse,
    ListRoomsRequest,
    UpdateRoomRequest,
)
from support.fast_gateway import Quick, quick_gateway, roomy
from support.gateways import failure_of, until, upstream_of
from support.upstreams import Scripted, answer, scripted, silence

from rooms_emulator import Emulator
from rooms_gateway.call import Call
from rooms_gateway.errors import UpstreamUnavailableError
from rooms_gateway.server.assembly import ROOMS_SERVICE
from rooms_gateway.server.handler import HandlerFactory
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
    """After the block, wait until what runs is what ran before, and the service was hung up on."""
    before = running()
    yield
    await until(lambda: service.hung_up > 0)
    await until(lambda: running() == before)


def running() -> Counter[str]:
    """Count the tasks that run, by what they do: grpc starts a new one to wait for each call."""
    return Counter(
        str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()
    )


def handlers() -> int:
    """Count the handlers that grpc runs."""
    return running()["_handle_exceptions"]


@pytest.mark.parametrize("operation", UNARY)
async def test_cancelling_a_call_ends_its_request_and_leaves_nothing_behind(operation: str) -> None:
    async with scripted(silence, GOOD) as service, quick_gateway(service.upstream) as quick:
        async with nothing_left(service):
            call = UNARY[operation](quick)
            await until(lambda: len(service.requests) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert len(service.requests) == 1
        assert (await quick.rooms.GetRoom(ROOM)).room.id == "1"


async def test_cancelling_a_list_half_way_ends_its_request_and_leaves_nothing_behind() -> None:
    async with scripted(PAGE, silence, GOOD) as service, quick_gateway(service.upstream) as quick:
        async with nothing_left(service):
            call = quick.rooms.ListRooms(ListRoomsRequest())
            page = await anext(aiter(call))
            assert [room.id for room in page.rooms] == ["1"]
            await until(lambda: len(service.requests) == 2)
            call.cancel()
        assert len(service.requests) == 2
        assert (await quick.rooms.GetRoom(ROOM)).room.id == "1"


async def test_a_failure_of_the_page_ahead_is_not_left_lying_when_the_reader_has_gone() -> None:
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


async def test_a_reader_who_drops_the_channel_ends_the_requests_of_its_calls() -> None:
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        async with grpc.aio.insecure_channel(quick.address) as channel:
            stub = rooms_pb2_grpc.RoomsServiceStub(channel)
            calls = [stub.GetRoom(ROOM) for _ in range(5)]
            await until(lambda: len(service.requests) == 5)
        await until(lambda: service.hung_up == 5)
        assert all(call.cancelled() for call in calls)


async def test_a_handler_that_was_cancelled_ends_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Swallowed, the cancellation would leak memory in grpc with every call.
    caplog.set_level("DEBUG", "grpc")
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        call = quick.rooms.GetRoom(ROOM)
        await until(lambda: len(service.requests) == 1)
        call.cancel()
        await until(lambda: not handlers())
    assert "RPC cancelled for servicer method [/acs.rooms.v1.RoomsService/GetRoom]" in caplog.text


async def test_a_call_that_was_cancelled_is_logged_as_that(
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


async def test_more_cancelled_calls_than_there_are_connections_leave_the_pool_usable() -> None:
    most = 100
    async with (
        scripted(*[silence] * most, GOOD) as service,
        quick_gateway(service.upstream) as quick,
    ):
        calls = [quick.rooms.GetRoom(ROOM) for _ in range(most + 20)]
        await until(lambda: len(service.requests) == most)
        for call in calls:
            call.cancel()
        await until(lambda: service.hung_up == most)
        answers = await asyncio.gather(*(quick.rooms.GetRoom(ROOM) for _ in range(most)))
        assert len(answers) == most


class Stray(RoomsServicer):
    """A handler that waits for something that somebody else cancels."""

    async def GetRoom(  # noqa: N802 - the contract's name
        self,
        request: GetRoomRequest,
        call: Call,
    ) -> GetRoomResponse:
        waited: asyncio.Future[GetRoomResponse] = asyncio.get_running_loop().create_future()
        waited.cancel()
        return await waited


async def test_a_cancellation_that_is_not_the_callers_still_gives_the_caller_a_status() -> None:
    calls = HandlerFactory(api_version="2025-03-13", default_timeout=30, admission=roomy())
    server = grpc.aio.server()
    calls.add(server, ROOMS_SERVICE, Stray(cast("RoomsApi", None), FairConverter()))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rooms_pb2_grpc.RoomsServiceStub(channel)
        failed = await failure_of(stub.GetRoom(ROOM))
    await server.stop(None)
    assert (failed.code, failed.reason) == (grpc.StatusCode.INTERNAL, "GATEWAY_BUG")


# --- a service that is not there ------------------------------------------------------------------


@pytest.mark.parametrize("operation", UNARY)
async def test_a_service_that_nobody_runs_is_unavailable_after_all_attempts(operation: str) -> None:
    async with scripted(GOOD) as service:
        upstream = service.upstream
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(UNARY[operation](quick))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert failed.metadata["attempts"] == "4"
    assert "httpStatus" not in failed.metadata
    assert str(upstream.endpoint.port) not in failed.message


async def test_a_service_that_does_not_speak_tls_is_unavailable_and_is_sent_nothing() -> None:
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
    assert failed.reason == "SERVICE_UNAVAILABLE"
    assert len(received) == 4
    assert not any(b"rooms" in data or b"HMAC" in data for data in received)


async def test_a_delete_that_never_reached_the_service_is_not_found_if_nothing_is_there(
    emulator: Emulator,
) -> None:
    upstream = upstream_of(emulator)
    await emulator.stop()
    async with quick_gateway(upstream, max_attempts=2) as quick:
        # The service comes up between the two attempts.
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


async def test_a_service_that_comes_back_is_used_again(emulator: Emulator) -> None:
    [room] = emulator.store.seed(1)
    async with quick_gateway(upstream_of(emulator)) as quick:
        await quick.rooms.GetRoom(GetRoomRequest(room_id=room))
        await emulator.stop()
        failed = await failure_of(quick.rooms.GetRoom(GetRoomRequest(room_id=room)))
        assert failed.reason == "SERVICE_UNAVAILABLE"
        await emulator.start()
        assert (await quick.rooms.GetRoom(GetRoomRequest(room_id=room))).room.id == room
