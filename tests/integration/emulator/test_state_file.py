"""The file that keeps rooms and users between runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import user
from support.signed_requests import Client, ask, client_session, new_user

from rooms_emulator import Emulator
from rooms_emulator.state.file import StateFileError

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


async def test_a_change_is_in_the_file_before_its_response(tmp_path: Path) -> None:
    """A copy of the file, made when the response arrives, contains the change."""
    file, copy = tmp_path / "state.json", tmp_path / "copy.json"
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        room = await client.create(participants={user(1): {}})
        alice = await create(client, customId="alice")
        copy.write_bytes(file.read_bytes())
        async with Emulator(file=copy) as restored:
            assert [each.raw_id for each in restored.store.roster(room["id"])] == [user(1)]
            assert restored.identities.get(alice["id"]).custom_id == "alice"
        await client.call("DELETE", f"/rooms/{room['id']}")
        await ask(client, f"/{alice['id']}", method="DELETE")
        bob = await create(client, customId="alice")
        copy.write_bytes(file.read_bytes())
        async with Emulator(file=copy) as restored:
            assert (len(restored.store), len(restored.identities)) == (0, 1)
            assert restored.identities.create("alice").id == bob["id"]
        await client.control("POST", "rooms", {"count": 3, "participants": 2})
        copy.write_bytes(file.read_bytes())
        async with Emulator(file=copy) as restored:
            assert len(restored.store) == 3
        await client.control("POST", "reset")
        copy.write_bytes(file.read_bytes())
        async with Emulator(file=copy) as restored:
            assert (len(restored.store), len(restored.identities)) == (0, 0)


async def test_file_keeps_ids_of_repeatable_requests(tmp_path: Path) -> None:
    """A create that is repeated after a restart makes no second room."""
    file = tmp_path / "state.json"
    headers = {"Repeatability-Request-ID": "5f0b1e0c-6a6e-4a55-b7a1-3f3c6f1b2a90"}
    created = []
    for _ in range(2):
        async with Emulator(file=file) as emulator, client_session() as session:
            response = await Client(session, emulator.endpoint).call(
                "POST", "/rooms", {}, headers=headers
            )
            created.append(response.json)
            assert len(emulator.store) == 1
    assert created[0] == created[1]


async def test_a_long_file_is_replaced_by_one_line(tmp_path: Path) -> None:
    """When as much has been appended as it contained, and a mebibyte at least."""
    file = tmp_path / "state.json"
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        (room,) = emulator.store.seed(1)
        roster: dict[str, object] = {user(number): {} for number in range(350)}
        sizes = []
        for _ in range(40):
            await client.patch_roster(room, roster)
            sizes.append(file.stat().st_size)
        assert max(sizes) < 1 << 21
        assert sizes != sorted(sizes)
        assert len(await client.roster(room)) == 350


async def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.touch(0o600)
    async with Emulator(file=file) as emulator:
        emulator.store.seed(2)
    async with Emulator(file=file) as emulator:
        assert len(emulator.store) == 2
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "state.json")
    async with Emulator(file=link) as emulator:
        emulator.store.seed(2)
    assert link.is_symlink()
    async with Emulator(file=tmp_path / "state.json") as emulator:
        assert len(emulator.store) == 2


async def test_a_file_has_one_emulator_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with Emulator(file=file):
        with pytest.raises(StateFileError, match="another emulator uses the state file"):
            await Emulator(file=file).start()
    async with Emulator(file=file):
        pass


async def test_a_failed_start_releases_the_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with Emulator() as other:
        listen = other.endpoint.removeprefix("http://")
        with pytest.raises(OSError, match="cannot listen on"):
            await Emulator(file=file, listen=listen).start()
    async with Emulator(file=file):
        pass


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/state.json", "No such file or directory: choose a file"),
        ("", "Is a directory: choose a file"),
        ("/dev/null", "/dev/null is not a regular file"),
    ],
)
async def test_an_unusable_file_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(StateFileError, match=sentence):
        await Emulator(file=tmp_path / name).start()
    assert names_in(tmp_path) == []


@given(cut=st.integers(0), lines=st.integers(0, 3))
async def test_an_incomplete_last_line_is_ignored(cut: int, lines: int) -> None:
    """It is what a kill leaves; the lines before are a whole state."""
    whole = [line_of(number) for number in range(lines + 1)]
    torn = line_of(lines + 1)
    content = "".join(whole) + torn[: cut % len(torn)]
    with NamedTemporaryFile("w") as file:
        file.write(content)
        file.flush()
        async with Emulator(file=file.name) as emulator:
            assert len(emulator.store) == lines + 1


def line_of(sequence: int) -> str:
    """Return a line of a file, about one room."""
    room = {"id": str(sequence), "created_at": 0, "valid_from": 0, "valid_until": 0}
    record = {
        "sequence": sequence,
        "room": room | {"pstn_dial_out_enabled": False},
        "roster": {},
    }
    state = {"records": [record], "deleted": [], "next_sequence": 9, "last_created_at": 0}
    return json.dumps(state) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", '{"records": 1}', "\xff", "\n", "\0" * 100),
        ROOMS_ONLY[:-1] + ', "identities": {"resource": 1, "users": []}}',
        ROOMS_ONLY[:-1] + ', "identities": {"resource": "x", "users": [{}]}}',
    ],
)
async def test_a_malformed_file_is_left_unchanged(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rooms.json"
    file.write_text(text)
    with pytest.raises(StateFileError, match="is not a state file of the emulator: line 1: ") as it:
        await Emulator(file=file).start()
    assert f"mv {file} {file}.broken" in str(it.value)
    assert file.read_text() == text


async def test_remedy_of_a_malformed_line_works(tmp_path: Path) -> None:
    """The error names the command that keeps the lines before it."""
    file = tmp_path / "state file.json"
    file.write_text(f"{line_of(0)}{line_of(1)}{{malformed\n{line_of(2)}")
    with pytest.raises(StateFileError, match="line 3: ") as raised:
        await Emulator(file=file).start()
    _, _, rest = str(raised.value).partition("run ")
    command, _, _ = rest.partition(", and pass")
    await (await asyncio.create_subprocess_shell(command)).wait()
    async with Emulator(file=tmp_path / "state file.json.whole") as emulator:
        assert len(emulator.store) == 2
