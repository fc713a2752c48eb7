"""Causes of attempts without a response, on sockets."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.authority import Authority, Issued, only_for_clients
from support.upstreams import (
    Script,
    answer,
    client_of,
    exchange,
    hang_up,
    on_both_loops,
    raw,
    run_on,
    scripted,
)

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.causes import AttemptError

OURS = Authority()


@asynccontextmanager
async def tls_server(issued: Issued, folder: Path) -> AsyncIterator[int]:
    """Serve TLS on a free port, and respond to nothing."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pair = folder / "pair.pem"
    pair.write_bytes(issued.certificate + issued.key)
    context.load_cert_chain(pair)

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def failure(endpoint: Endpoint) -> AttemptError:
    async with client_of(endpoint) as client:
        with pytest.raises(AttemptError) as raised:
            await exchange(client)
        assert client._pool.slots == 0
    assert str(raised.value).startswith(f"{endpoint.host}:{endpoint.port}: ")
    return raised.value


@pytest.mark.proves("S39")
@on_both_loops
@pytest.mark.parametrize(
    ("issued", "reason"),
    [
        (Authority().issue(), "the CA is unknown"),
        (only_for_clients(), "it is self-signed"),
        (OURS.expired(), "it has expired"),
        (OURS.early(), "it is not valid yet"),
        (OURS.issue("localhost"), "it is for another address"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_untrusted_certificate_has_its_reason(
    loop_factory: Any,
    issued: Issued,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(OURS.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    async def main() -> None:
        async with tls_server(issued, tmp_path) as port:
            error = await failure(Endpoint("https", "127.0.0.1", port))
        assert error.kind is AttemptFailure.CERTIFICATE
        assert f"certificate not trusted: {reason}" in str(error)

    run_on(loop_factory, main())


@on_both_loops
def test_a_closed_port_refuses_the_connection(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(hang_up) as server:
            endpoint = server.upstream.endpoint
        error = await failure(endpoint)
        assert error.kind is AttemptFailure.REFUSED
        assert str(error).endswith("connection refused")

    run_on(loop_factory, main())


NO_TLS: dict[str, tuple[bytes, AttemptFailure]] = {
    "an HTTP response": (
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        AttemptFailure.WRONG_PROTOCOL,
    ),
    "a banner": (b"220 mail.example ESMTP ready\r\n", AttemptFailure.WRONG_PROTOCOL),
    "a TLS alert": (b"\x15\x03\x03\x00\x02\x02\x28", AttemptFailure.TLS),
    "nothing": (b"", AttemptFailure.TLS),
}


@on_both_loops
@pytest.mark.parametrize("name", NO_TLS)
def test_tls_to_another_port_fails(loop_factory: Any, name: str) -> None:
    """The port sends other bytes, an alert, or closes the connection."""
    sent, kind = NO_TLS[name]

    async def main() -> None:
        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(sent)
            writer.close()

        async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert (await failure(Endpoint("https", "127.0.0.1", port))).kind is kind

    run_on(loop_factory, main())


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        (raw(b"\x15\x03\x01\x00\x02\x02\x46"), AttemptFailure.WRONG_PROTOCOL, "speaks TLS"),
        (hang_up, AttemptFailure.LOST, "connection closed before the response"),
        (raw(b"canary\r\n\r\n"), AttemptFailure.NOT_HTTP, "not HTTP: "),
        (answer(b"", "101 Switching Protocols"), AttemptFailure.NOT_HTTP, "Upgrade"),
    ],
    ids=["a TLS alert", "hang-up", "no HTTP", "upgrade"],
)
async def test_a_broken_response_has_its_reason(
    script: Script, kind: AttemptFailure, reason: str
) -> None:
    """The reason repeats nothing of the response."""
    async with scripted(script) as server:
        error = await failure(server.upstream.endpoint)
    assert error.kind is kind
    assert reason in str(error)
    assert "canary" not in str(error)


async def test_a_missing_response_has_its_timeout() -> None:
    async with (
        scripted(raw(b"")) as server,
        client_of(server) as client,
    ):
        with pytest.raises(AttemptError) as raised:
            await exchange(client, seconds=0.05)
    assert re.fullmatch(r"127\.0\.0\.1:\d+: no response within 0\.05 s", str(raised.value))
