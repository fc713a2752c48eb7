"""Microsoft's unmodified clients, and walks through them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aiohttp import web
from azure.communication.rooms import CommunicationUserIdentifier, RoomParticipant, RoomsClient
from azure.communication.rooms.aio import RoomsClient as AsyncRoomsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ODataV4Format

from rooms_emulator import DEVELOPMENT_KEY, Emulator
from support.paths import ROOT
from support.samples import user
from support.signed_requests import VERSION

CLIENTS = ROOT / "tests/clients/node"
NODE = shutil.which("node")
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)


Walk = Callable[[str, Emulator], Awaitable[dict[str, Any]]]


async def walk(script: str, emulator: Emulator) -> dict[str, Any]:
    """Run the walk; return the value that it printed for each step."""
    return _by_step(await _run(str(NODE), script, emulator.connection_string))


async def _run(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CLIENTS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    return out


def _by_step(lines: bytes) -> dict[str, Any]:
    steps = [json.loads(line) for line in lines.splitlines()]
    return {step["step"]: step["value"] for step in steps}


# Stands for Node: an argument for the walk, and a console that the test reads.
_PAGE = """<!doctype html>
<script type="module">
  globalThis.argv = ["", "", CONNECTION_STRING];
  const lines = [];
  console.log = (line) => lines.push(line);
  const failed = (error) => lines.push(JSON.stringify({ step: "failed", value: `${error}` }));
  await import("/walk.js").catch(failed);
  await fetch("/lines", { method: "POST", body: lines.join("\\n") });
</script>
"""


async def browse(script: str, emulator: Emulator) -> dict[str, Any]:
    """Run the walk in Chromium, on a page of another origin; return the same as `walk`."""
    bundle = await _run(
        "node_modules/.bin/esbuild",
        script,
        "--bundle",
        "--format=esm",
        "--define:process.argv=globalThis.argv",
    )
    lines: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/walk.js":
            return web.Response(body=bundle, content_type="text/javascript")
        if request.path == "/lines":
            lines.set_result(await request.read())
            return web.Response()
        page = _PAGE.replace("CONNECTION_STRING", json.dumps(emulator.connection_string))
        return web.Response(text=page, content_type="text/html")

    server = await asyncio.get_running_loop().create_server(web.Server(serve), "127.0.0.1", 0)
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with server:
            port = server.sockets[0].getsockname()[1]
            chromium = await asyncio.create_subprocess_exec(
                "chromium",
                *CHROMIUM_FLAGS,
                f"--user-data-dir={profile}",
                f"http://127.0.0.1:{port}/",
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                return _by_step(await asyncio.wait_for(lines, 120))
            finally:
                chromium.terminate()
                await chromium.wait()


# The client calls datetime.utcnow, which Python 3.12 deprecated.
IGNORE_DEPRECATIONS = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


def participant(number: int, role: str = "Attendee") -> RoomParticipant:
    return RoomParticipant(
        communication_identifier=CommunicationUserIdentifier(user(number)), role=role
    )


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


class Blocking:
    """The blocking client, with each call in a thread."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = RoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, method), *arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        def read() -> list[list[Any]]:
            pages = getattr(self._client, method)(*arguments).by_page()
            return [list(page) for page in pages]

        return await asyncio.to_thread(read)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


class NonBlocking:
    """The asynchronous client, with the same interface."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = AsyncRoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await getattr(self._client, method)(*arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        pages = getattr(self._client, method)(*arguments).by_page()
        return [[item async for item in page] async for page in pages]

    async def close(self) -> None:
        await self._client.close()


Sdk = Blocking | NonBlocking
KINDS = pytest.mark.parametrize("kind", [Blocking, NonBlocking], ids=["sync", "aio"])


@asynccontextmanager
async def connected(
    kind: type[Sdk], emulator: Emulator, key: str = DEVELOPMENT_KEY, version: str = VERSION
) -> AsyncIterator[Sdk]:
    sdk = kind(emulator.endpoint, key, api_version=version)
    try:
        yield sdk
    finally:
        await sdk.close()


def problem(raised: HttpResponseError) -> ODataV4Format:
    assert raised.error is not None
    return raised.error


async def roster(sdk: Sdk, room_id: str) -> list[tuple[str, str]]:
    pages = await sdk.pages("list_participants", room_id)
    return [(each.communication_identifier.raw_id, each.role) for page in pages for each in page]
