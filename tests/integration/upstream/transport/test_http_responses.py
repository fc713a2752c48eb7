"""HTTP responses: complete, broken and invalid ones, and reuse of the connection."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.upstreams import MAX_RESPONSE_BYTES, client_of, exchange, raw, read, scripted

from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.connection import BrokenResponseError
from rooms_gateway.upstream.transport.messages import RestResponse

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = OK + b"Content-Length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Whole:
    """Bytes of a response, its status and body, and whether the connection is kept."""

    sent: bytes
    status: int = 200
    body: bytes = b"{}"
    kept: bool = True
    close: bool = False
    """Whether the server closes the connection after the response."""


WHOLE: dict[str, Whole] = {
    "a length": Whole(PLAIN),
    "no reason": Whole(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"),
    "a length of 0": Whole(OK + b"Content-Length: 0\r\n\r\n", body=b""),
    "an unknown status": Whole(b"HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\n{}", status=799),
    "100 before it": Whole(b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN),
    "102 and 103 before it": Whole(
        b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + PLAIN
    ),
    "204": Whole(b"HTTP/1.1 204 No Content\r\n\r\n", status=204, body=b""),
    "204 with a length": Whole(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", status=204, body=b""
    ),
    "304 with a length": Whole(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status=304, body=b""
    ),
    "chunks": Whole(CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    "chunks with extensions": Whole(CHUNKED + b"2;a=b\r\n{}\r\n0;c\r\n\r\n"),
    "chunks with trailers": Whole(CHUNKED + b"2\r\n{}\r\n0\r\nX-Sum: 1\r\nDate: no\r\n\r\n"),
    "a thousand fields": Whole(OK + b"X: x\r\n" * 1000 + b"Content-Length: 2\r\n\r\n{}"),
    "a field of 16 KiB together with the body": Whole(
        OK + b"Content-Length: 2\r\nX: " + b"x" * 16300 + b"\r\n\r\n{}"
    ),
    "a coding in capitals": Whole(OK + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "explicit identity coding": Whole(
        OK + b"Content-Encoding: IDENTITY\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "an offer to upgrade": Whole(
        OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "empty fields": Whole(OK + b"X-A:\r\nX-B: \r\nContent-Length: 2\r\n\r\n{}"),
    "exactly the cap": Whole(
        OK + b"Content-Length: %d\r\n\r\n" % MAX_RESPONSE_BYTES + b" " * MAX_RESPONSE_BYTES,
        body=b" " * MAX_RESPONSE_BYTES,
    ),
    "Connection: close": Whole(
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", kept=False
    ),
    "HTTP/1.0": Whole(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", kept=False),
    "HTTP/1.0 with keep-alive": Whole(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "an error in gzip": Whole(
        b"HTTP/1.1 500 No\r\nContent-Encoding: GZIP\r\nContent-Length: 2\r\n\r\n{}",
        status=500,
        body=b"",
        kept=False,
    ),
    "an error above the cap": Whole(
        b"HTTP/1.1 503 No\r\nContent-Length: 1001\r\n\r\n" + b" " * 1001,
        status=503,
        body=b"",
        kept=False,
    ),
    "until the end": Whole(OK + b"\r\n{}", kept=False, close=True),
    "HTTP/1.0 until the end": Whole(b"HTTP/1.0 200 OK\r\n\r\n{}", kept=False, close=True),
    "more bytes than announced": Whole(PLAIN + b"xx", kept=False),
    "two responses to one request": Whole(PLAIN + PLAIN, kept=False),
    "the start of a second response": Whole(PLAIN + b"H", kept=False),
    "closed after the response": Whole(PLAIN, kept=False, close=True),
}

LOST: dict[str, bytes] = {
    "no response": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a status of two digits": b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}",
    "switching protocols": b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
    "101 without an upgrade": b"HTTP/1.1 101 Go\r\n\r\n" + PLAIN,
    "only an informational response": b"HTTP/1.1 100 Continue\r\n\r\n",
    "half a head": OK + b"Content-Length: 2\r\n",
    "half a body": OK + b"Content-Length: 3\r\n\r\n{}",
    "half a chunk": CHUNKED + b"5\r\n{}",
    "no last chunk": CHUNKED + b"2\r\n{}\r\n",
    "no end of the trailers": CHUNKED + b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n",
    "a chunk of no size": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a chunk of a negative size": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk size above the data": CHUNKED + b"ffffffffffffffffff\r\n{}\r\n",
    "a chunk longer than its size": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "chunks and a length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length and chunks": OK
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two fields of codings": OK
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: xchunked\r\n\r\n{}",
    "the coding identity": OK + b"Transfer-Encoding: identity\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": OK + b"Content-Length: \r\n\r\n{}",
    "a length beyond 64 bits": OK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a folded field": OK + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "a field without a colon": OK + b"nonsense\r\nContent-Length: 2\r\n\r\n{}",
    "a field without a name": OK + b": b\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a field": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "a control character in a field": OK + b"X: a\x01b\r\nContent-Length: 2\r\n\r\n{}",
    "CR in a field": OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    "lines that end with LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a field of 16 KiB": OK + b"X: " + b"x" * 16384 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "an empty line before the status": b"\r\n\r\n" + PLAIN,
    "an endless field": OK + b"X: " + b"x" * 600_000,
    "fields of 16 KiB": OK + b"X: x\r\n" * 2731 + b"Content-Length: 2\r\n\r\n{}",
    "an endless trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: " + b"x" * 600_000,
    "an endless chunk extension": CHUNKED + b"2;" + b"x" * 600_000,
    "endless informational responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000,
}

UNREADABLE: dict[str, bytes] = {
    "a body above the cap": OK + b"Content-Length: 1001\r\n\r\n" + b" " * 1001,
    "chunks above the cap": CHUNKED + b"100\r\n%b\r\n" % (b" " * 256) * 4,
    "an unframed body above the cap": OK + b"\r\n" + b" " * 1001,
    "gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.proves("S45")
@pytest.mark.parametrize("name", WHOLE)
async def test_a_complete_response_is_returned(
    name: str,
) -> None:
    """Its connection is reused if HTTP allows it."""
    case = WHOLE[name]
    async with scripted(raw(case.sent, close=case.close)) as server, client_of(server) as client:
        response = await exchange(client)
        assert (response.status, response.body) == (case.status, case.body)
        # A close or further bytes may only be noticed at the next use.
        if case.kept:
            assert (await exchange(client)).body == case.body
            assert server.connections == 1
        elif not case.close:
            assert client._pool.idle == 0


@pytest.mark.proves("S43", "S46")
@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("close", [True, False])
async def test_a_broken_response_closes_the_connection(
    name: str,
    close: bool,
) -> None:
    silent_end = not close and name in WAITS
    async with (
        scripted(raw(LOST[name], close=close)) as server,
        client_of(server) as client,
    ):
        with pytest.raises(AttemptError) as raised:
            await exchange(client, seconds=0.1 if silent_end else 30)
        if silent_end:
            assert raised.value.kind is AttemptFailure.TIMEOUT
        else:
            expected = {AttemptFailure.LOST, AttemptFailure.NOT_HTTP}
            assert raised.value.kind in expected
            assert raised.value.kind.sent
        assert (client._pool.slots, client._pool.idle) == (0, 0)


WAITS = {
    "no response",
    "only an informational response",
    "half a head",
    "half a body",
    "half a chunk",
    "no last chunk",
    "no end of the trailers",
}
"""Prefixes that can still become a response."""


@pytest.mark.proves("S47")
@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_large_or_encoded_response_is_invalid(name: str) -> None:
    async with scripted(raw(UNREADABLE[name])) as server, client_of(server) as client:
        with pytest.raises(InvalidUpstreamResponseError):
            await exchange(client)
        assert (client._pool.slots, client._pool.idle) == (0, 0)


async def test_headers_are_case_insensitive() -> None:
    """The first of equal names counts, and trailers are ignored."""
    sent = (
        OK + b"MS-CV: one\r\nms-cv: two\r\nX-Odd: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nDate: never\r\n\r\n"
    )
    async with scripted(raw(sent)) as server, client_of(server) as client:
        headers = (await exchange(client)).headers
    assert headers["Ms-Cv"] == headers["MS-CV"] == "one"
    assert headers["x-odd"] == "é"
    assert "Date" not in headers
    assert headers.get("é\u2028", "none") == "none"
    assert dict(headers) == {"ms-cv": "one", "x-odd": "é", "transfer-encoding": "chunked"}
    assert len(headers) == 3


@pytest.mark.proves("S43")
@given(st.sampled_from(list(WHOLE.values())), st.data())
def test_responses_may_arrive_in_any_pieces(case: Whole, data: Any) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(case.sent)), max_size=20)))
    bounds = [0, *cuts, len(case.sent)]
    pieces = [case.sent[a:b] for a, b in itertools.pairwise(bounds) if a < b]
    response = asyncio.run(read(pieces, end=case.close))
    assert isinstance(response, RestResponse)
    assert (response.status, response.body) == (case.status, case.body)


FRAMED = [case for case in WHOLE.values() if case.kept]


@pytest.mark.proves("S44")
@given(st.sampled_from(FRAMED), st.data())
def test_a_truncated_response_is_broken(case: Whole, data: Any) -> None:
    cut = data.draw(st.integers(0, len(case.sent) - 1))
    outcome = asyncio.run(read([case.sent[:cut]], end=True))
    assert isinstance(outcome, BrokenResponseError)


class Fields:
    """Fields as the callbacks of the parser receive them; of duplicates, the first."""

    def __init__(self, sent: bytes) -> None:
        self.found: dict[str, str] = {}
        with contextlib.suppress(httptools.HttpParserError):
            httptools.HttpResponseParser(self).feed_data(sent)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t"))


ODD_BYTES = st.lists(st.sampled_from([*b"aA-:;, \t\r\n\0\x7f\xe9"]), max_size=6).map(bytes)
NAMES = st.sampled_from([b"MS-CV", b"ms-cv", b"X-a", b"Encoding", b"X-Encoding"]) | ODD_BYTES
HEADS = st.lists(st.tuples(NAMES, st.sampled_from([b":", b": ", b" :", b""]), ODD_BYTES)).map(
    lambda fields: b"".join(b"".join(field) + b"\r\n" for field in fields)
)


@pytest.mark.proves("S43")
@given(HEADS)
def test_fields_are_those_that_llhttp_finds(head: bytes) -> None:
    """In a response that it accepts; any other is broken."""
    sent = OK + b"Content-Length: 2\r\n" + head + b"\r\n{}"
    outcome = asyncio.run(read([sent], end=True))
    if isinstance(outcome, RestResponse):
        assert dict(outcome.headers) == Fields(sent).found
        assert all(outcome.headers[name] == outcome.headers.get(name) for name in outcome.headers)
    else:
        assert isinstance(outcome, BrokenResponseError | InvalidUpstreamResponseError)


@pytest.mark.proves("S43")
@given(st.binary(max_size=300), st.sampled_from([b"", OK, CHUNKED, PLAIN[:-2]]))
def test_random_bytes_never_exceed_the_cap(noise: bytes, before: bytes) -> None:
    """They are a response or one of the two documented errors."""
    outcome = asyncio.run(read([before + noise], end=True))
    if isinstance(outcome, RestResponse):
        assert len(outcome.body) <= MAX_RESPONSE_BYTES
    else:
        assert isinstance(outcome, BrokenResponseError | InvalidUpstreamResponseError)
