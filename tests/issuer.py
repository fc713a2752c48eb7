"""An issuer of Entra ID tokens on this machine, and a gateway that gets its tokens there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
from acs.rooms.v1 import participants_pb2_grpc, rooms_pb2_grpc
from aiohttp import web
from running import Running

from gateway.app import Gateway
from gateway.credentials import Credential, CredentialSettings
from gateway.emulator import Emulator
from gateway.endpoint import parse_connection_string
from gateway.settings import Settings, Upstream


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
    chosen = Settings(
        upstream=Upstream(endpoint, settings), listen=("127.0.0.1:0",), api_version="2025-03-13"
    )
    async with (
        Gateway(chosen, credential) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        yield Running(
            gateway,
            emulator,
            channel,
            rooms_pb2_grpc.RoomsServiceStub(channel),
            participants_pb2_grpc.ParticipantsServiceStub(channel),
        )
