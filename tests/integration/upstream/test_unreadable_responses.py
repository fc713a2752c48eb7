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
from rooms_gateway.app import MAX_RESPONSE_BYTES


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


NONSENSE: dict[str, Script] = {
    "larger than the cap": answer(b" " * (MAX_RESPONSE_BYTES + 1)),
    "gzip that was not asked for": answer(
        gzip.compress(b'{"id":"1"}'), "200 OK", "Content-Encoding: gzip"
    ),
    "a page of HTML": answer(b"<html>Welcome</html>", "200 OK", "Content-Type: text/html"),
    "nothing": answer(b""),
    "a plain text": answer(b"ok", "200 OK", "Content-Type: text/plain"),
    "bad UTF-8": answer(b'{"id":"\xff\xfe"}'),
    "JSON of another shape": answer(b"[1, 2]"),
    "a room without an id": answer(b"{}"),
    "an id that is a number": answer(b'{"id":1}'),
    "JSON that never ends": answer(b'{"a":' * 100_000),
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
    "nothing at all": hang_up,
}


@pytest.mark.proves("S49")
@pytest.mark.parametrize("kind", NONSENSE)
async def test_an_answer_that_is_complete_but_makes_no_sense_is_not_asked_for_again(
    kind: str,
) -> None:
    async with scripted(NONSENSE[kind]) as service, quick_gateway(service.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
        assert (failed.code, failed.reason) == UNREADABLE
        assert failed.metadata["attempts"] == "1"
        assert len(service.requests) == 1


@pytest.mark.proves("S44")
@pytest.mark.parametrize("kind", BROKEN)
async def test_an_answer_that_is_no_whole_http_answer_is_asked_for_again(kind: str) -> None:
    async with (
        scripted(BROKEN[kind], BROKEN[kind], answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream, max_attempts=3) as quick,
    ):
        assert (await get(quick, "1")).room.id == "1"
        assert len(service.requests) == 3


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_service_that_never_gives_a_whole_answer_is_unavailable(kind: str) -> None:
    async with (
        scripted(BROKEN[kind]) as service,
        quick_gateway(service.upstream, max_attempts=2) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert failed.metadata["attempts"] == "2"


@pytest.mark.proves("S48")
@pytest.mark.parametrize("script", [drip, endless_continue, silence])
async def test_an_answer_that_takes_longer_than_an_attempt_may_is_given_up(script: Script) -> None:
    async with (
        scripted(script) as service,
        quick_gateway(service.upstream, max_attempts=2, attempt_timeout=0.3) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
        assert (failed.code, failed.reason) == UNAVAILABLE
        assert (len(service.requests), service.connections) == (2, 2)


UNREADABLE_BODIES: dict[str, tuple[bytes, str]] = {
    "larger than the cap": (b" " * (MAX_RESPONSE_BYTES + 1), "X-Any: 1"),
    "gzip that was not asked for": (gzip.compress(b"{}"), "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("kind", UNREADABLE_BODIES)
async def test_a_refusal_is_tried_again_whatever_its_body_is(kind: str) -> None:
    body, header = UNREADABLE_BODIES[kind]
    busy = answer(body, "503 Service Unavailable", header)
    async with (
        scripted(busy, answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        assert (await get(quick, "1")).room.id == "1"
        assert len(service.requests) == 2


@pytest.mark.proves("S47")
@pytest.mark.parametrize("kind", UNREADABLE_BODIES)
async def test_a_refusal_has_the_code_of_its_status_whatever_its_body_is(kind: str) -> None:
    body, header = UNREADABLE_BODIES[kind]
    async with (
        scripted(answer(body, "503 Service Unavailable", header)) as service,
        quick_gateway(service.upstream, max_attempts=2) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert failed.metadata["httpStatus"] == "503"


@pytest.mark.proves("S40")
@by_operation
async def test_a_redirect_is_an_answer_that_makes_no_sense_and_is_not_followed(
    operation: Operation,
) -> None:
    async with scripted(answer(b'{"id":"1"}')) as other:
        redirect = answer(
            b"", "307 Temporary Redirect", f"Location: http://127.0.0.1:{other.port}/rooms/1"
        )
        async with scripted(redirect) as service, quick_gateway(service.upstream) as quick:
            failed = await failure_of(operation.call(quick, "1"))
            assert (failed.code, failed.reason) == UNREADABLE
            assert len(service.requests) == 1
        assert other.connections == 0


@pytest.mark.proves("S40")
async def test_a_cookie_of_the_service_is_not_kept() -> None:
    async with (
        scripted(answer(b'{"id":"1"}', "200 OK", "Set-Cookie: a=b; Path=/")) as service,
        quick_gateway(service.upstream) as quick,
    ):
        for _ in range(2):
            await get(quick, "1")
        assert b"cookie" not in service.requests[1].lower()


@by_operation
async def test_what_is_sent_asks_for_plain_json_on_one_host(operation: Operation) -> None:
    async with (
        scripted(answer(b'{"id":"1","value":[]}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        await operation.call(quick, "1")
        head = service.requests[0].partition(b"\r\n\r\n")[0].lower() + b"\r\n"
        assert head.count(b"\r\nhost: 127.0.0.1:%d\r\n" % service.port) == 1
        assert b"\r\naccept-encoding: identity\r\n" in head


@pytest.mark.parametrize("text", ["a b=c", 'x" code=OK', "\x1b[31m", "é", "x" * 200])
async def test_an_id_of_the_service_that_is_none_is_told_to_nobody(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    refused = raw(
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nMS-CV: good%b\r\n\r\n" % text.encode("latin-1")
    )
    async with (
        scripted(refused) as service,
        quick_gateway(service.upstream, max_attempts=1) as quick,
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
async def test_a_success_that_is_not_what_it_should_be_is_unreadable(
    once: Running, body: str
) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        if name != "DeleteRoomRequest" and "Participants" not in name:
            once.emulator.faults.add(Fault(status=200, body=body))
            failed = await failure_of(send(once, request))
            assert (failed.code, failed.reason) == UNREADABLE, name


@pytest.mark.parametrize("text", ["", "yesterday", "2025-02-30T00:00:00Z", "2025-03-06 "])
async def test_a_time_that_is_none_makes_the_answer_unreadable(once: Running, text: str) -> None:
    body = f'{{"id":"1","validFrom":"{text}"}}'
    once.emulator.faults.add(Fault(status=200, body=body))
    failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == UNREADABLE


@pytest.mark.proves("S47")
async def test_an_answer_that_is_encoded_although_we_asked_for_it_plain_is_unreadable(
    once: Running,
) -> None:
    once.emulator.faults.add(Fault(headers={"Content-Encoding": "gzip"}))
    failed = await failure_of(send(once, CreateRoomRequest()))
    assert (failed.code, failed.reason) == UNREADABLE


@pytest.mark.proves("S40")
async def test_a_redirect_is_not_followed_anywhere(once: Running) -> None:
    async with Emulator() as other:
        location = {"Location": f"{other.endpoint}/rooms/{UNKNOWN_ROOM}?api-version=2025-03-13"}
        for status in (301, 302, 303, 307, 308):
            once.emulator.faults.add(Fault(status=status, headers=location))
            failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
            assert (failed.code, failed.reason) == UNREADABLE
        assert len(other.journal) == 0
    assert once.requests() == 5
