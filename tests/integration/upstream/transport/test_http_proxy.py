"""Connections through an HTTP proxy, and proxies that open no tunnel."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.authority import Authority
from support.upstreams import exchange, on_both_loops, run_on

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.route import Proxy, Route, basic_authorization
from rooms_gateway.upstream.transport import connector
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.http import HttpClient

OURS = Authority()
HOST = "contoso.communication.azure.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """Serve connections on a free port, and wait for their handlers at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(handler(reader, writer)))

    async with await asyncio.start_server(handle, "127.0.0.1", 0, **options) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks)


def client(endpoint: Endpoint, proxy: int, credentials: str = "") -> HttpClient:
    authorization = basic_authorization(credentials) if credentials else ""
    route = Route(OURS.pem.decode(), Proxy("127.0.0.1", proxy, authorization))
    return HttpClient(
        endpoint, route, user_agent="test", max_connections=1, max_response_bytes=1000
    )


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)
    writer.close()


@pytest.mark.proves("S40")
@on_both_loops
def test_requests_go_through_the_tunnel(loop_factory: Any, tmp_path: Path) -> None:
    """TLS is with the endpoint; the proxy sees host, port and its own credentials only."""
    issued, pair = OURS.issue(HOST), tmp_path / "pair.pem"
    pair.write_bytes(issued.certificate + issued.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    heads: list[bytes] = []

    async def main() -> None:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
            writer.close()

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", server)
            # In two pieces.
            writer.write(b"HTTP/1.1 200 Connection established\r\n")
            await asyncio.sleep(0.01)
            writer.write(b"Via: 1.1 proxy\r\n\r\n")
            await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

        async with (
            listening(respond, ssl=context) as server,
            listening(connect) as proxy,
            client(Endpoint("https", HOST, 443), proxy, "user:pass word") as through,
        ):
            for _ in range(2):
                assert (await exchange(through)).body == b"{}"
        [head] = heads
        assert head.split(b"\r\n") == [
            b"CONNECT contoso.communication.azure.com:443 HTTP/1.1",
            b"Host: contoso.communication.azure.com:443",
            b"Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=",
            b"",
            b"",
        ]

    run_on(loop_factory, main())


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", AttemptFailure.PROXY_REJECTED, "requires credentials"),
        (b"HTTP/1.1 403 No\r\n\r\ncanary", AttemptFailure.PROXY_REJECTED, "(HTTP status 403)"),
        (b"HTTP/1.1 302 Found\r\nLocation: canary\r\n\r\n", AttemptFailure.PROXY_REJECTED, "302"),
        (b"HTTP/1.0 502 canary\r\n\r\n", AttemptFailure.PROXY, "cannot connect now"),
        (b"HTTP/1.1 429 No\r\n\r\n", AttemptFailure.PROXY, "cannot connect now"),
        (b"SSH-2.0-canary\r\n\r\n", AttemptFailure.PROXY, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", AttemptFailure.PROXY, "not HTTP"),
        (b"x" * 20_000, AttemptFailure.PROXY, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\ncanary", AttemptFailure.PROXY, "bytes after its head"),
        (b"", AttemptFailure.PROXY, "closed the connection"),
    ],
    ids=lambda each: repr(each)[:30] if isinstance(each, bytes) else "",
)
async def test_a_proxy_without_a_tunnel_has_its_cause(
    response: bytes, kind: AttemptFailure, reason: str
) -> None:
    """The reason names the proxy and repeats nothing that it sent; no request is sent."""
    received: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response)
        writer.close()

    async with listening(refuse) as proxy, client(Endpoint("https", HOST, 443), proxy) as through:
        with pytest.raises(AttemptError) as raised:
            await exchange(through)
        assert through._pool.slots == 0
    assert raised.value.kind is kind
    assert not kind.sent
    assert str(raised.value).startswith(f"{HOST}:443: proxy 127.0.0.1:{proxy}: ")
    assert reason in str(raised.value)
    assert "canary" not in str(raised.value)
    assert len(received) == 1


async def test_rejected_proxy_credentials_are_named() -> None:
    """The credentials are not repeated."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 No\r\n\r\n")
        writer.close()

    async with (
        listening(refuse) as proxy,
        client(Endpoint("https", HOST, 443), proxy, "user:canary") as through,
    ):
        with pytest.raises(AttemptError, match="rejects credentials") as raised:
            await exchange(through)
    assert "canary" not in str(raised.value)


async def test_a_hanging_proxy_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "CONNECT_TIMEOUT", 0.05)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(hang) as proxy, client(Endpoint("https", HOST, 443), proxy) as through:
        with pytest.raises(AttemptError) as raised:
            await exchange(through)
    assert raised.value.kind is AttemptFailure.CONNECT_TIMEOUT
    assert str(raised.value).endswith(
        f"proxy 127.0.0.1:{proxy}: timed out after 0.05 s, waiting for a response"
    )


async def test_a_refused_connection_names_the_proxy() -> None:
    async with listening(respond) as proxy:
        pass
    async with client(Endpoint("https", HOST, 443), proxy) as through:
        with pytest.raises(AttemptError) as raised:
            await exchange(through)
    assert str(raised.value) == f"{HOST}:443: proxy 127.0.0.1:{proxy}: connection refused"
