"""Servers around a system: a foreign origin, and an upstream with an expired certificate."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(slots=True)
class Sink:
    """An origin that no signed request may reach."""

    port: int = 0
    signed: int = 0
    """Number of signed requests that it received."""


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    """Serve empty lists, and count signed requests."""
    state = Sink()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                state.signed += b"\r\nauthorization:" in head.lower()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b'Content-Length: 12\r\n\r\n{"value":[]}'
                )
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in writers:
            writer.close()


@asynccontextmanager
async def expired_tls() -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Serve TLS with a certificate that expired yesterday, issued by a trusted CA.

    Yields the endpoint, and the environment in which the CA is trusted.
    """
    authority, today = trustme.CA(), datetime.now(UTC)
    issued = authority.issue_cert(
        *("localhost", "127.0.0.1"),
        not_before=today - timedelta(days=2),
        not_after=today - timedelta(days=1),
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        trusted = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(trusted)
        try:
            yield f"https://localhost:{port}", {"SSL_CERT_FILE": str(trusted)}
        finally:
            server.close()
