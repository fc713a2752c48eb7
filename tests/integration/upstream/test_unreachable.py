"""An upstream that cannot be reached: statuses, attempts and log lines."""

from __future__ import annotations

import asyncio

import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from google.rpc.error_details_pb2 import RetryInfo
from grpc import StatusCode
from support.fast_gateway import quick_gateway
from support.gateways import failure_of
from support.upstreams import answer, hang_up, scripted

from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import Endpoint

ROOM = GetRoomRequest(room_id="99400000000000000")


async def test_a_wrong_protocol_is_not_retried(caplog: pytest.LogCaptureFixture) -> None:
    """The status has no RetryInfo and the code is not retryable; the operator gets one warning."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream.with_key(Endpoint("https", "127.0.0.1", port), b"key")
        async with quick_gateway(upstream) as quick:
            for _ in range(3):
                failed = await failure_of(quick.rooms.GetRoom(ROOM))
    assert (failed.code, failed.reason) == (
        StatusCode.INTERNAL,
        "ERROR_REASON_UPSTREAM_MISCONFIGURED",
    )
    assert failed.metadata["attempts"] == "1"
    assert failed.detail(RetryInfo) is None
    text = f"no response from 127.0.0.1:{port}: the port does not speak TLS; check the endpoint"
    assert failed.message == text
    assert caplog.messages.count(text) == 1


async def test_a_refused_connection_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """The status names host, port and cause."""
    async with scripted(hang_up) as server:
        upstream = server.upstream
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(quick.rooms.GetRoom(ROOM))
    assert (failed.code, failed.reason) == (
        StatusCode.UNAVAILABLE,
        "ERROR_REASON_UPSTREAM_UNAVAILABLE",
    )
    assert failed.metadata["attempts"] == "4"
    assert failed.detail(RetryInfo) is not None
    text = f"no response from 127.0.0.1:{upstream.endpoint.port}: connection refused"
    assert failed.message == text
    assert [record.levelname for record in caplog.records if record.getMessage() == text] == [
        "WARNING"
    ]


async def test_a_recovery_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with (
        scripted(hang_up, answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream) as quick,
    ):
        for _ in range(3):
            await quick.rooms.GetRoom(ROOM)
    assert caplog.messages.count("the Rooms service responds again") == 1
