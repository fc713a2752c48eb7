"""Microsoft's unmodified clients, and walks through them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
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


async def walk(script: str, emulator: Emulator) -> dict[str, Any]:
    """Run the walk; return the value that it printed for each step."""
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        script,
        emulator.connection_string,
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    steps = [json.loads(line) for line in out.splitlines()]
    return {step["step"]: step["value"] for step in steps}


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
