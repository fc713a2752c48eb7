"""Request ids: which are returned to the caller, and which are rejected."""

from __future__ import annotations

import asyncio
import logging

import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo
from support.gateways import UNKNOWN_ROOM, Running, failure_of, send, until
from support.http2 import unary_call

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
async def test_a_request_id_of_the_callers_is_told_back(running: Running, value: str) -> None:
    assert (await request_info(running, value)).request_id == value


@pytest.mark.proves("S6")
@pytest.mark.parametrize("value", ["", "x" * 129, "a b", 'a"b', "a%0d%0ab", "a;b", "a,b", "<a>"])
async def test_a_request_id_unfit_for_logs_is_replaced_by_one_of_ours(
    running: Running, value: str
) -> None:
    told = (await request_info(running, value)).request_id
    assert told != value
    assert len(told) == 36
    assert (await request_info(running, value)).request_id != told


async def test_of_several_request_ids_the_first_that_is_fit_is_taken(running: Running) -> None:
    assert (await request_info(running, "a b", "first", "second")).request_id == "first"


async def test_a_request_id_with_a_line_break_never_reaches_the_log(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients of grpc reject it, so the request is written by hand."""
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


async def test_a_service_id_that_is_none_is_neither_logged_nor_told(
    once: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rooms_gateway.calls")
    for value in (f"x code=OK {CANARY}", "é" + CANARY, CANARY * 100):
        once.emulator.faults.add(Fault(status=403, headers={"MS-CV": value}))
        failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
        assert CANARY.encode() not in failed.status.SerializeToString()
    assert CANARY not in caplog.text
