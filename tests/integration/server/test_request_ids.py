"""Request ids: which are returned to the caller, and which are rejected."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo
from support.gateways import UNKNOWN_ROOM, Running, failure_of, only_grpc, only_loop, send, until
from support.http2 import RST_STREAM, frames, unary_call

from rooms_emulator.faults.model import Fault

CANARY = "canary-7f3a-secret"


async def request_info(running: Running, *request_ids: str) -> RequestInfo:
    metadata = tuple(("x-request-id", value) for value in request_ids)
    failed = await failure_of(
        running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM), metadata=metadata)
    )
    found = failed.detail(RequestInfo)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "value", ["a", "x" * 128, "Root=1-67891233-abcdef012345678912345678", "a~b:c/d+e@f"]
)
async def test_request_id_of_the_caller_is_returned(running: Running, value: str) -> None:
    assert (await request_info(running, value)).request_id == value


@pytest.mark.proves("S6")
@pytest.mark.parametrize("value", ["", "x" * 129, "a b", 'a"b', "a%0d%0ab", "a;b", "a,b", "<a>"])
async def test_invalid_request_id_is_replaced(running: Running, value: str) -> None:
    returned = (await request_info(running, value)).request_id
    assert returned != value
    assert len(returned) == 36
    assert (await request_info(running, value)).request_id != returned


async def test_first_valid_request_id_is_used(running: Running) -> None:
    assert (await request_info(running, "a b", "first", "second")).request_id == "first"


@only_loop
async def test_request_with_a_line_break_is_reset(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The test writes the bytes of the request, since clients of gRPC reject such an id."""
    caplog.set_level(logging.INFO)
    host, _, port = running.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = GetRoomRequest(room_id=UNKNOWN_ROOM)
    path = "/acs.rooms.v1.RoomsService/GetRoom"
    writer.write(unary_call(path, request, {"x-request-id": f"a\r\nforged {CANARY}"}))
    async with asyncio.timeout(30), contextlib.aclosing(frames(reader)) as received:
        reset = await anext(each async for each in received if each[0] == RST_STREAM)
    assert reset[2:] == (1, (1).to_bytes(4))
    writer.close()
    assert CANARY not in caplog.text
    assert running.requests("GetRoom") == 0


@only_grpc
async def test_request_id_with_line_break_is_not_logged(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The test writes the bytes of the request, since clients of gRPC reject such an id."""
    caplog.set_level(logging.INFO, "rooms_gateway.calls")
    host, _, port = running.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        unary_call(
            "/acs.rooms.v1.RoomsService/GetRoom",
            GetRoomRequest(room_id=UNKNOWN_ROOM),
            {"x-request-id": f"a\r\nforged {CANARY}"},
        )
    )
    await until(lambda: "code=NOT_FOUND" in caplog.text)
    writer.close()
    await writer.wait_closed()
    assert not reader.exception()
    assert CANARY not in caplog.text
    assert running.requests("GetRoom") == 1


async def test_invalid_upstream_id_is_not_revealed(
    once: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid upstream request id appears neither in the log nor in the status."""
    caplog.set_level(logging.INFO, "rooms_gateway.calls")
    for value in (f"x code=OK {CANARY}", "é" + CANARY, CANARY * 100):
        once.emulator.faults.add(Fault(status=403, headers={"MS-CV": value}))
        failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
        assert CANARY.encode() not in failed.status.SerializeToString()
    assert CANARY not in caplog.text
