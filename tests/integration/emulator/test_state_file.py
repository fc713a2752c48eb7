"""The file that keeps rooms and users between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.samples import user
from support.signed_requests import Client, ask, client_session, new_user

from rooms_emulator import Emulator

PREVIEW = "2025-03-02-preview"
ROOMS_ONLY = '{"records": [], "deleted": [], "next_sequence": 7, "last_created_at": 0}'
"""A file of an emulator that saves rooms only."""


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def create(client: Client, **members: object) -> Any:
    return (await ask(client, "", members, version=PREVIEW)).json["identity"]


async def test_file_keeps_the_users(tmp_path: Path) -> None:
    """Users, custom ids, the time of the latest token, and the resource of all."""
    file = str(tmp_path / "state.json")
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        plain, gone = await new_user(client), await new_user(client)
        named = await create(client, customId="alice", createTokenWithScopes=["chat"])
        await ask(client, f"/{gone}", method="DELETE")
        room = await client.create(participants={plain: {}, gone: {}})
        resource = emulator.identities.resource
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        assert emulator.identities.resource == resource
        assert [raw_id for raw_id, _ in await client.roster(room["id"])] == [plain, gone]
        statuses = [
            (await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["voip"]})).status
            for raw_id in (plain, gone)
        ]
        assert statuses == [200, 404]
        assert await create(client, customId="alice") == named
        assert (await new_user(client)).startswith(f"8:acs:{resource}_")
        assert len(emulator.identities) == 3


async def test_reset_empties_the_file(tmp_path: Path) -> None:
    """The resource stays the same."""
    file = tmp_path / "state.json"
    async with Emulator(file=file) as emulator, client_session() as session:
        await create(Client(session, emulator.endpoint), customId="alice")
        resource = emulator.identities.resource
        emulator.reset()
    async with Emulator(file=file) as emulator:
        assert (len(emulator.identities), emulator.identities.resource) == (0, resource)


async def test_a_file_with_rooms_only_is_loaded(tmp_path: Path) -> None:
    """The emulator keeps its new resource, and saves it."""
    file = tmp_path / "rooms.json"
    file.write_text(ROOMS_ONLY)
    async with Emulator(file=file) as emulator:
        resource = emulator.identities.resource
        emulator.store.seed(1)
    async with Emulator(file=file) as emulator:
        assert (len(emulator.store), emulator.identities.resource) == (1, resource)


async def test_file_keeps_the_rooms(tmp_path: Path) -> None:
    """The file keeps rosters, the order, and the records of deleted rooms."""
    file = tmp_path / "rooms.json"
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        room = await client.create(participants={user(2): {}, user(1): {"role": "Presenter"}})
        emulator.store.seed(35, deleted=True)
        emulator.store.seed(5)
        rooms = [page async for page in client.pages("/rooms")]
        roster = await client.roster(room["id"])
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        again = [page async for page in client.pages("/rooms")]
        assert [page["value"] for page in again] == [page["value"] for page in rooms]
        assert await client.roster(room["id"]) == roster
        await client.create()
        assert len((await client.call("GET", "/rooms")).json["value"]) == 6
    assert names_in(tmp_path) == ["rooms.json"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", '{"records": 1}', "\xff"),
        ROOMS_ONLY[:-1] + ', "identities": {"resource": 1, "users": []}}',
        ROOMS_ONLY[:-1] + ', "identities": {"resource": "x", "users": [{}]}}',
    ],
)
async def test_a_malformed_file_is_left_unchanged(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rooms.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="is not a file with rooms of an emulator"):
        await Emulator(file=file).start()
    assert file.read_text() == text
