"""An issuer of Entra ID tokens on this machine, and a gateway that gets its tokens there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trustme
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from aiohttp import web

from rooms_emulator import Emulator
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.credentials import (
    Credential,
    CredentialSettings,
    EntraKind,
    EntraSettings,
)
from rooms_gateway.upstream.endpoint import parse_connection_string
from support.gateways import Running, gateway_for

MANAGED = EntraSettings(EntraKind.MANAGED_IDENTITY)
NO_REPEATS = {"retry_total": 0}


class Issuer:
    """Issues tokens, each a new one, and says which of them the service shall accept."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, str]] = []
        """The query and form of each request, oldest first."""
        self.headers: list[Mapping[str, str]] = []
        self.life = 3600
        """Seconds."""
        self.delay = 0.0
        self.outage = False
        self.refusal = ""
        """What it says with 401, if it is not empty."""
        self.valid: set[str] = set()
        self._number = 0

    def accepts(self, token: str) -> bool:
        return token in self.valid

    async def issue(self, request: web.Request) -> web.Response:
        self.requests.append(
            {**request.query, **{k: str(v) for k, v in (await request.post()).items()}}
        )
        self.headers.append(request.headers)
        await asyncio.sleep(self.delay)
        if self.outage:
            return web.Response(status=503)
        if self.refusal:
            return web.json_response(
                {"error": "invalid_client", "error_description": self.refusal}, status=401
            )
        self._number += 1
        token = f"canary-token-{self._number}"
        self.valid.add(token)
        return web.json_response(
            {
                "access_token": token,
                "expires_in": str(self.life),
                "expires_on": str(int(time.time()) + self.life),
                "resource": "https://communication.azure.com/",
                "token_type": "Bearer",
            }
        )


def certificate(ca_file: Path) -> ssl.SSLContext:
    """Make a certificate of localhost, and write to `ca_file` what it is trusted by."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


@asynccontextmanager
async def issuing(context: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    """Run an issuer on a free port, over https if there is a `context`."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", issuer.issue)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    issuer.url = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway_with(
    emulator: Emulator, settings: CredentialSettings, credential: Credential | None = None
) -> AsyncIterator[Running]:
    """Run a gateway in front of `emulator` that proves who it is with `settings`."""
    endpoint, _ = parse_connection_string(emulator.connection_string)
    async with gateway_for(emulator, Upstream(endpoint, settings), credential) as running:
        yield running


async def create(running: Running) -> None:
    """Make a call that needs a token."""
    await running.rooms.CreateRoom(CreateRoomRequest())


class ShiftedClock:
    """The real time, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def moment(_: float) -> None:
    """Sleep for tasks that look at the clock."""
    await asyncio.sleep(0.01)
