"""Requests on the wire: bytes, TLS, addresses, and requests that are rejected."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from support.authority import Authority, Issued
from support.gateways import until
from support.upstreams import answer, client_of, exchange, get, on_both_loops, run_on, scripted

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.messages import RestRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.proves("S41")
async def test_requests_are_sent_unchanged() -> None:
    request = RestRequest("PATCH", "/rooms/1?a=%20", b'{"a":1}', {"Content-Type": "text/x"})
    async with scripted(answer(b"{}")) as server, client_of(server) as client:
        await exchange(client, request)
        await exchange(client, RestRequest("POST", "/rooms"))
        await exchange(client, RestRequest("DELETE", "/rooms/1"))
    start, rest = server.requests[0].split(b"\r\n", 1)
    fields, body = rest.split(b"\r\n\r\n")
    assert start == b"PATCH /rooms/1?a=%20 HTTP/1.1"
    assert sorted(fields.split(b"\r\n")) == [
        b"Accept-Encoding: identity",
        b"Accept: application/json",
        b"Authorization: test",
        b"Content-Length: 7",
        b"Content-Type: text/x",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: test",
    ]
    assert body == b'{"a":1}'
    assert b"\r\nContent-Length: 0\r\n" in server.requests[1]
    assert b"Content-Length" not in server.requests[2]


@pytest.mark.proves("S41")
@pytest.mark.parametrize(
    "request_",
    [
        RestRequest("GET\r\nX: y", "/"),
        RestRequest("GET", "/\r\nX: y"),
        RestRequest("GET", "/\nX: y"),
        RestRequest("GET", "/ HTTP/1.1\r\n\r\nGET /secret"),
        RestRequest("GET", "/a b"),
        RestRequest("GET", "/\0"),
        RestRequest("GET", "/é"),
        RestRequest("GET", "/\u2028"),
        RestRequest("GET", "/", headers={"X": "a\r\nY: b"}),
        RestRequest("GET", "/", headers={"X": "a\rb"}),
        RestRequest("GET", "/", headers={"X\r\nY": "a"}),
        RestRequest("GET", "/", headers={"X": "a\x7fb"}),
        RestRequest("GET", "/", headers={"X": "a\tb"}),
        RestRequest("GET", "/", headers={"X": "é"}),
        RestRequest("HEAD", "/"),
    ],
    ids=repr,
)
async def test_header_injection_is_rejected(request_: RestRequest) -> None:
    async with scripted(answer(b"{}")) as server, client_of(server) as client:
        with pytest.raises(ValueError, match=r"invalid characters|ascii"):
            await exchange(client, request_)
        assert server.connections == 0


@on_both_loops
def test_a_large_body_is_sent_completely(loop_factory: Any) -> None:
    async def main() -> None:
        body = bytes(range(256)) * 4000
        async with scripted(answer(b"{}")) as server, client_of(server) as client:
            for _ in range(2):
                await exchange(client, RestRequest("POST", "/rooms", body))
                assert server.requests[-1].endswith(body)
            assert server.connections == 1

    run_on(loop_factory, main())


@on_both_loops
def test_an_early_response_ends_the_connection(
    loop_factory: Any,
) -> None:
    """A response that arrives before the body is sent is returned."""

    async def reject_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await done.wait()
        writer.close()

    done = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(reject_early, "127.0.0.1", 0, limit=1024)
        endpoint = Endpoint("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, client_of(endpoint) as client:
            # More than the buffers of two sockets.
            body = b" " * 64_000_000
            response = await exchange(client, RestRequest("POST", "/rooms", body))
            assert response.status == 413
            assert client._pool.slots == 0
            done.set()

    run_on(loop_factory, main())


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to every request on a connection."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def exchange_over_tls(
    issued: Issued, folder: Path, host: str, only: ssl.TLSVersion | None = None
) -> int:
    """Send two requests to a server with this certificate; return the sum of the statuses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if only is not None:
        # Python's defaults would reject the old versions before the client does.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = only
    path = folder / "pair.pem"
    path.write_bytes(issued.certificate + issued.key)
    context.load_cert_chain(path)
    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint("https", host, server.sockets[0].getsockname()[1])
    async with server, client_of(endpoint) as client:
        first, second = await exchange(client), await exchange(client)
        assert client._pool.slots == 1
    return first.status + second.status


@on_both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_trusts_the_system_cas(
    loop_factory: Any, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    trust(authority, tmp_path, monkeypatch)

    async def main() -> None:
        assert await exchange_over_tls(authority.issue(), tmp_path, host) == 400

    run_on(loop_factory, main())


@pytest.mark.proves("S39")
@on_both_loops
@pytest.mark.parametrize("flaw", ["unknown authority", "other name", "expired"])
def test_an_invalid_certificate_is_rejected(
    loop_factory: Any, flaw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is sent over the connection."""
    authority = Authority()
    trust(authority if flaw != "unknown authority" else Authority(), tmp_path, monkeypatch)
    issued = {
        "unknown authority": authority.issue,
        "other name": lambda: authority.issue("contoso.communication.azure.com"),
        "expired": authority.expired,
    }[flaw]()

    async def main() -> None:
        with pytest.raises(AttemptError) as raised:
            await exchange_over_tls(issued, tmp_path, "127.0.0.1")
        assert raised.value.kind is AttemptFailure.CERTIFICATE

    run_on(loop_factory, main())


@pytest.mark.proves("S39")
@on_both_loops
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_tls_requires_version_1_2(
    loop_factory: Any, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    trust(authority, tmp_path, monkeypatch)
    only = ssl.TLSVersion[version]

    async def main() -> None:
        if only >= ssl.TLSVersion.TLSv1_2:
            assert await exchange_over_tls(authority.issue(), tmp_path, "127.0.0.1", only) == 400
            return
        with pytest.raises(AttemptError) as raised:
            await exchange_over_tls(authority.issue(), tmp_path, "127.0.0.1", only)
        assert raised.value.kind is AttemptFailure.TLS

    run_on(loop_factory, main())


def trust(authority: Authority, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `authority` the only trusted CA of the system."""
    (folder / "ca.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))


@on_both_loops
@pytest.mark.parametrize("host", ["unknown.invalid", "127.0.0.1"])
def test_a_failed_connect_sends_nothing(loop_factory: Any, host: str) -> None:
    async def main() -> None:
        async with scripted(answer(b"{}")) as server:
            port = server.port
        async with client_of(Endpoint("http", host, port)) as client:
            with pytest.raises(AttemptError) as raised:
                await exchange(client)
            assert not raised.value.kind.sent
            assert client._pool.slots == 0

    run_on(loop_factory, main())


@pytest.mark.proves("S48")
@on_both_loops
def test_a_hanging_handshake_times_out(loop_factory: Any) -> None:
    """It counts as a failed connect, not as a request."""
    held: list[asyncio.StreamWriter] = []

    async def main() -> None:
        async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held.append(writer)

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        endpoint = Endpoint("https", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, client_of(endpoint) as client:
            with pytest.raises(AttemptError) as raised:
                await exchange(client, seconds=0.1)
            assert raised.value.kind is AttemptFailure.CONNECT_TIMEOUT
        assert client._pool.slots == 0
        for writer in held:
            writer.close()

    run_on(loop_factory, main())


@pytest.mark.proves("S40")
async def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(answer(b"no")) as proxy, scripted(answer(b"{}")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with client_of(server) as client:
            assert (await exchange(client)).body == b"{}"
        assert proxy.connections == 0


async def test_a_cancelled_request_ends_its_connection() -> None:
    begun = asyncio.Event()

    async def begin(_: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK[:-1])
        begun.set()
        await reader.read()
        writer.close()

    async with scripted(begin, answer(b"{}")) as server, client_of(server) as client:
        cancelled = asyncio.ensure_future(exchange(client))
        await begun.wait()
        cancelled.cancel()
        await until(cancelled.done)
        assert client._pool.slots == 0
        assert (await exchange(client, get(2))).body == b"{}"
        assert server.connections == 2
