"""Responses that violate HTTP or the REST API."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo
from support.every_operation import Operation, by_operation, get
from support.fast_gateway import quick_gateway
from support.gateways import ONE_OF_EACH, UNKNOWN_ROOM, Running, failure_of, send
from support.samples import UNAVAILABLE, UNREADABLE
from support.upstreams import Script, Scripted, answer, hang_up, raw, scripted, silence

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.resources.connection import MAX_RESPONSE_BYTES


async def drip(_: Scripted, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte at intervals, forever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless_continue(
    _: Scripted, __: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send informational responses forever."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


INVALID: dict[str, Script] = {
    "larger than the cap": answer(b" " * (MAX_RESPONSE_BYTES + 1)),
    "unrequested gzip": answer(gzip.compress(b'{"id":"1"}'), "200 OK", "Content-Encoding: gzip"),
    "HTML": answer(b"<html>Welcome</html>", "200 OK", "Content-Type: text/html"),
    "an empty body": answer(b""),
    "plain text": answer(b"ok", "200 OK", "Content-Type: text/plain"),
    "bad UTF-8": answer(b'{"id":"\xff\xfe"}'),
    "JSON of the wrong type": answer(b"[1, 2]"),
    "a room without an id": answer(b"{}"),
    "an id that is a number": answer(b'{"id":1}'),
    "unterminated JSON": answer(b'{"a":' * 100_000),
    "a success without a body": answer(b"", "204 No Content"),
}


BROKEN: dict[str, Script] = {
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True),
    "half a status line": raw(b"HTTP/1.1 2", close=True),
    "a status of letters": raw(b"HTTP/1.1 abc OK\r\n\r\n", close=True),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    "half a body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id"', close=True),
    "a chunk of no size": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "two lengths": raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", close=True
    ),
    "a huge header": answer(b"{}", "200 OK", f"X-Padding: {'x' * 100_000}"),
    "too many headers": answer(b"{}", "200 OK", *["X-Padding: x"] * 20_000),
    "no response": hang_up,
}


@pytest.mark.proves("S49")
@pytest.mark.parametrize("kind", INVALID)
async def test_an_invalid_response_is_not_retried(
    kind: str,
) -> None:
    """A complete HTTP response that violates the REST API ends the call."""
    async with scripted(INVALID[kind]) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
        assert (failed.code, failed.reason) == UNREADABLE
        assert failed.metadata["attempts"] == "1"
        assert len(server.requests) == 1


@pytest.mark.proves("S44")
@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_http_response_is_retried(kind: str) -> None:
    async with (
        scripted(BROKEN[kind], BROKEN[kind], answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream, max_attempts=3) as quick,
    ):
        assert (await get(quick, "1")).room.id == "1"
        assert len(server.requests) == 3


@pytest.mark.parametrize("kind", BROKEN)
async def test_repeated_broken_http_is_unavailable(kind: str) -> None:
    async with (
        scripted(BROKEN[kind]) as server,
        quick_gateway(server.upstream, max_attempts=2) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert failed.metadata["attempts"] == "2"


@pytest.mark.proves("S48")
@pytest.mark.parametrize("script", [drip, endless_continue, silence])
async def test_slow_responses_reach_the_attempt_timeout(script: Script) -> None:
    async with (
        scripted(script) as server,
        quick_gateway(server.upstream, max_attempts=2, attempt_timeout=0.3) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
        assert (failed.code, failed.reason) == UNAVAILABLE
        assert (len(server.requests), server.connections) == (2, 2)


UNREADABLE_BODIES: dict[str, tuple[bytes, str]] = {
    "larger than the cap": (b" " * (MAX_RESPONSE_BYTES + 1), "X-Any: 1"),
    "unrequested gzip": (gzip.compress(b"{}"), "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("kind", UNREADABLE_BODIES)
async def test_a_503_with_an_unreadable_body_is_retried(kind: str) -> None:
    body, header = UNREADABLE_BODIES[kind]
    busy = answer(body, "503 Service Unavailable", header)
    async with (
        scripted(busy, answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream) as quick,
    ):
        assert (await get(quick, "1")).room.id == "1"
        assert len(server.requests) == 2


@pytest.mark.proves("S47")
@pytest.mark.parametrize("kind", UNREADABLE_BODIES)
async def test_an_invalid_error_body_keeps_the_status(kind: str) -> None:
    body, header = UNREADABLE_BODIES[kind]
    async with (
        scripted(answer(body, "503 Service Unavailable", header)) as server,
        quick_gateway(server.upstream, max_attempts=2) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert failed.metadata["httpStatus"] == "503"


@pytest.mark.proves("S40")
@by_operation
async def test_no_operation_follows_a_redirect(
    operation: Operation,
) -> None:
    """A redirect is an invalid response; no request goes to its Location."""
    async with scripted(answer(b'{"id":"1"}')) as other:
        redirect = answer(
            b"", "307 Temporary Redirect", f"Location: http://127.0.0.1:{other.port}/rooms/1"
        )
        async with scripted(redirect) as server, quick_gateway(server.upstream) as quick:
            failed = await failure_of(operation.call(quick, "1"))
            assert (failed.code, failed.reason) == UNREADABLE
            assert len(server.requests) == 1
        assert other.connections == 0


@pytest.mark.proves("S40")
async def test_cookies_are_not_sent_back() -> None:
    async with (
        scripted(answer(b'{"id":"1"}', "200 OK", "Set-Cookie: a=b; Path=/")) as server,
        quick_gateway(server.upstream) as quick,
    ):
        for _ in range(2):
            await get(quick, "1")
        assert b"cookie" not in server.requests[1].lower()


@by_operation
async def test_requests_have_one_host_and_no_encoding(operation: Operation) -> None:
    status = "204 No Content" if operation.name == "DeleteRoom" else "200 OK"
    async with (
        scripted(answer(b'{"id":"1","value":[]}', status)) as server,
        quick_gateway(server.upstream) as quick,
    ):
        await operation.call(quick, "1")
        head = server.requests[0].partition(b"\r\n\r\n")[0].lower() + b"\r\n"
        assert head.count(b"\r\nhost: 127.0.0.1:%d\r\n" % server.port) == 1
        assert b"\r\naccept-encoding: identity\r\n" in head


@pytest.mark.parametrize("text", ["a b=c", 'x" code=OK', "\x1b[31m", "é", "x" * 200])
async def test_an_invalid_upstream_id_is_dropped(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the status details nor a log line contain it."""
    caplog.set_level("DEBUG")
    not_found = raw(
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nMS-CV: good%b\r\n\r\n" % text.encode("latin-1")
    )
    async with (
        scripted(not_found) as server,
        quick_gateway(server.upstream, max_attempts=1) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
    info = failed.detail(RequestInfo)
    assert info is not None
    assert info.serving_data == ""
    assert "good" not in caplog.text
    assert "request_id=" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        '{"id":null}',
        '{"id":1}',
        '{"value":null}',
        '{"value":[1]}',
    ],
)
async def test_a_success_with_a_wrong_body_is_invalid(once: Running, body: str) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        if name != "DeleteRoomRequest" and "Participants" not in name:
            once.emulator.faults.add(Fault(status=200, body=body))
            failed = await failure_of(send(once, request))
            assert (failed.code, failed.reason) == UNREADABLE, name


@pytest.mark.parametrize("text", ["", "yesterday", "2025-02-30T00:00:00Z", "2025-03-06 "])
async def test_an_invalid_time_is_an_invalid_response(once: Running, text: str) -> None:
    body = f'{{"id":"1","validFrom":"{text}"}}'
    once.emulator.faults.add(Fault(status=200, body=body))
    failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == UNREADABLE


@pytest.mark.proves("S47")
async def test_an_encoded_response_is_invalid(
    once: Running,
) -> None:
    """Requests accept the identity encoding only."""
    once.emulator.faults.add(Fault(headers={"Content-Encoding": "gzip"}))
    failed = await failure_of(send(once, CreateRoomRequest()))
    assert (failed.code, failed.reason) == UNREADABLE


@pytest.mark.proves("S40")
async def test_no_redirect_status_is_followed(once: Running) -> None:
    async with Emulator() as other:
        location = {"Location": f"{other.endpoint}/rooms/{UNKNOWN_ROOM}?api-version=2025-03-13"}
        for status in (301, 302, 303, 307, 308):
            once.emulator.faults.add(Fault(status=status, headers=location))
            failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
            assert (failed.code, failed.reason) == UNREADABLE
        assert len(other.journal) == 0
    assert once.requests() == 5
