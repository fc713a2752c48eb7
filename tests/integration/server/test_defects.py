"""Defects of the gateway: calls end with a fixed text that reveals nothing about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    GetRoomRequest,
    GetRoomResponse,
    ListRoomsRequest,
    ListRoomsResponse,
)
from google.rpc.error_details_pb2 import RequestInfo
from grpc import StatusCode
from support.fast_gateway import roomy
from support.gateways import Failed, collect, failure_of, read_failure, upstream_of

from rooms_emulator import Emulator
from rooms_gateway.call import Call
from rooms_gateway.server.assembly import ROOMS_SERVICE, add_service
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.calls.status import to_item_error
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.upstream.credentials import AccessKey, AccessKeys
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.sender import RetryPolicy, Sender
from rooms_gateway.upstream.versions import API_VERSIONS

if TYPE_CHECKING:
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub as RoomsStub
from support.gateways import UNKNOWN_ROOM

CANARY = "canary-7f3a-secret"


@asynccontextmanager
async def serving(servicer: RoomsServicer) -> AsyncIterator[RoomsStub]:
    """Serve RoomsService by `servicer`, as the gateway serves it."""
    calls = Calls(default_timeout=5.0, admission=roomy())
    server = grpc.aio.server()
    add_service(server, calls, ROOMS_SERVICE, servicer, "2025-03-13")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield rooms_service_pb2_grpc.RoomsServiceStub(channel)
    await server.stop(None)


class Failing(RoomsServicer):
    """Handlers that end as `fail` does."""

    def __init__(self, fail: Callable[[], Awaitable[None]]) -> None:
        super().__init__(cast("RoomsApi", None), FairConverter(), to_item_error)
        self._fail = fail

    async def GetRoom(  # noqa: N802 - the contract's name
        self,
        request: GetRoomRequest,
        call: Call,
    ) -> GetRoomResponse:
        await self._fail()
        raise AssertionError

    async def ListRooms(  # noqa: N802 - as above
        self,
        request: ListRoomsRequest,
        call: Call,
    ) -> AsyncIterator[ListRoomsResponse]:
        yield ListRoomsResponse(next_page_token="x")
        await self._fail()


def check_defect(error: grpc.aio.AioRpcError) -> Failed:
    """Check that the error reports a defect and reveals nothing about it."""
    failed = read_failure(error)
    assert (failed.code, failed.reason) == (StatusCode.INTERNAL, "ERROR_REASON_GATEWAY_INTERNAL")
    assert failed.message == "the gateway failed; its log has the details under this request's id"
    shown = repr((error, error.details(), error.debug_error_string(), error.trailing_metadata()))
    for text in (CANARY, "Traceback", "RuntimeError", "KeyError", "Cancelled", ".py"):
        assert text not in shown
        assert text.encode() not in failed.status.SerializeToString()
    return failed


@pytest.mark.proves("S32")
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        KeyError(CANARY),
        AssertionError(CANARY),
        asyncio.CancelledError(CANARY),
        TimeoutError(CANARY),
        grpc.aio.UsageError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_unexpected_error_becomes_a_fixed_text(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the error and its traceback under the request id."""

    async def fail() -> None:
        raise error

    calls: list[Callable[[RoomsStub], Awaitable[object]]] = [
        lambda rooms: rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM), timeout=5),
        lambda rooms: collect(rooms.ListRooms(ListRoomsRequest(), timeout=5)),
    ]
    async with serving(Failing(fail)) as rooms:
        for call in calls:
            caplog.clear()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(rooms)
            failed = check_defect(raised.value)
            request = failed.detail(RequestInfo)
            assert request is not None
            traced = [record for record in caplog.records if record.exc_info]
            assert [request.request_id in record.getMessage() for record in traced] == [True]
            assert CANARY in caplog.text


async def test_await_of_cancelled_future_gives_status() -> None:
    async def fail() -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    async with serving(Failing(fail)) as rooms:
        for call in (
            rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM), timeout=5),
            collect(rooms.ListRooms(ListRoomsRequest(), timeout=5)),
        ):
            failed = await failure_of(call)
            assert (failed.code, failed.reason) == (
                StatusCode.INTERNAL,
                "ERROR_REASON_GATEWAY_INTERNAL",
            )


class BrokenKeys(AccessKeys):
    """A credential that cannot sign and raises an error with a secret."""

    @property
    def signer(self) -> AccessKey:
        raise RuntimeError(CANARY)


async def test_credential_error_is_not_revealed(
    emulator: Emulator,
) -> None:
    endpoint = upstream_of(emulator).endpoint
    http = HttpClient(endpoint, user_agent="t", max_connections=1, max_response_bytes=1000)
    async with http:
        transport = Sender(http, endpoint, BrokenKeys([b"key"]), policy=RetryPolicy())
        api = RoomsApi(transport, endpoint, API_VERSIONS["2025-03-13"])
        async with serving(RoomsServicer(api, FairConverter(), to_item_error)) as rooms:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await rooms.CreateRoom(CreateRoomRequest(), timeout=5)
            check_defect(raised.value)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await collect(rooms.ListRooms(ListRoomsRequest(), timeout=5))
            check_defect(raised.value)
    assert len(emulator.journal) == 0
