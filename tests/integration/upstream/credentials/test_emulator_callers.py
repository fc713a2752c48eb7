from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rooms_emulator import DEVELOPMENT_KEY, Emulator

ROOMS = "/rooms?api-version=2025-03-13"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


async def list_rooms(emulator: Emulator, token: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            emulator.endpoint + ROOMS, headers={"Authorization": f"Bearer {token}"}
        ) as response,
    ):
        return response.status, await response.json()


async def control(emulator: Emulator, path: str, body: Any) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{emulator.endpoint}/_emulator/{path}", json=body) as response,
    ):
        return response.status


async def test_bearer_tokens_are_rejected_by_default(emulator: Emulator) -> None:
    status, body = await list_rooms(emulator, "one")
    assert (status, body["error"]["code"]) == (401, "Denied")
    emulator.authenticator.bearer = lambda token: token == "one"
    assert (await list_rooms(emulator, "one"))[0] == 200
    assert (await list_rooms(emulator, "two"))[0] == 401


async def test_the_control_api_sets_tokens_and_keys(emulator: Emulator) -> None:
    """A reset restores the initial keys and removes the tokens."""
    assert await control(emulator, "tokens", {"tokens": ["one"]}) == 204
    assert await control(emulator, "keys", {"keys": ["b25l", "dHdv"]}) == 204
    assert (await list_rooms(emulator, "one"))[0] == 200
    assert ",".join(emulator.authenticator.keys) == "b25l,dHdv"
    assert emulator.connection_string.endswith("accesskey=b25l")
    emulator.reset()
    assert (await list_rooms(emulator, "one"))[0] == 401
    assert emulator.authenticator.keys == (DEVELOPMENT_KEY,)


@pytest.mark.parametrize("keys", [[], ["not base64!"], [""], "b25l", None])
async def test_invalid_keys_are_rejected(emulator: Emulator, keys: Any) -> None:
    """A rejected request to the control API leaves the keys unchanged."""
    assert await control(emulator, "keys", {"keys": keys}) == 400
    assert emulator.authenticator.keys == (DEVELOPMENT_KEY,)
