"""The state file of `rooms-gateway emulator`: kills, a full disk, and files it refuses."""

from __future__ import annotations

import asyncio
import random
import resource
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from support.commands import COMMAND, Process, run, started
from support.samples import user
from support.signed_requests import Client, ask, client_session

from rooms_emulator import Emulator
from rooms_emulator.rooms.store import NoSuchRoomError

KILLS = 25
WORKERS = 4

Rooms = dict[str, list[str] | None]
"""The roster of each room; None: deleted."""


@dataclass
class Worker:
    """A client that changes its own rooms, one request after the other, until a kill."""

    client: Client
    random: random.Random
    rooms: Rooms = field(default_factory=dict)
    """As acknowledged."""
    users: list[str] = field(default_factory=list)
    unanswered: Rooms = field(default_factory=dict)
    """As the request without a response would leave its room."""
    creating: str | None = None
    """Request id of a create without a response."""

    async def work(self) -> None:
        with suppress(aiohttp.ClientError):
            while True:
                await self.change()

    async def change(self) -> None:
        living = [room for room, roster in self.rooms.items() if roster is not None]
        kind = self.random.choice(("create", "create", "roster", "roster", "delete", "user"))
        if kind == "user":
            response = await ask(self.client)
            self.users.append(response.json["identity"]["id"])
        elif kind == "create" or not living:
            self.creating = str(uuid.UUID(int=self.random.getrandbits(128)))
            headers = {"Repeatability-Request-ID": self.creating}
            response = await self.client.call("POST", "/rooms", {}, headers=headers)
            self.rooms[response.json["id"]], self.creating = [], None
        else:
            room = self.random.choice(living)
            if kind == "delete":
                self.unanswered = {room: None}
                await self.client.call("DELETE", f"/rooms/{room}")
            else:
                added = user(self.random.randrange(1000, 9999))
                roster = self.rooms[room] or []
                self.unanswered = {room: [*roster, *({added} - set(roster))]}
                await self.client.patch_roster(room, {added: {}})
            self.rooms |= self.unanswered
            self.unanswered = {}


@asynccontextmanager
async def emulator_with(file: Path) -> AsyncIterator[tuple[Process, str]]:
    """Start an emulator on a file; return it with its endpoint."""
    flags = ("--listen", "127.0.0.1:0", "--quiet", "--location", str(file))
    async with started("emulator", *flags) as process:
        yield process, await process.line("endpoint=(.*)/;accesskey=.*")


def differences(workers: list[Worker], emulator: Emulator) -> Iterator[str]:
    """Return what differs from what the workers were told, and tell them the rest."""
    for worker in workers:
        for room, roster in worker.rooms.items():
            found = roster_of(emulator, room)
            if found not in (roster, worker.unanswered.get(room, roster)):
                yield f"{room}: acknowledged {roster}, found {found}"
        worker.rooms |= {room: roster_of(emulator, room) for room in worker.unanswered}
        worker.unanswered = {}
        for raw_id in worker.users:
            if not (emulator.identities.owns(raw_id) and emulator.identities.get(raw_id)):
                yield f"{raw_id} is missing"
    living = sum(roster is not None for worker in workers for roster in worker.rooms.values())
    creating = sum(worker.creating is not None for worker in workers)
    if not living <= len(emulator.store) <= living + creating:
        yield f"acknowledged {living} rooms, found {len(emulator.store)}"


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def roster_of(emulator: Emulator, room: str) -> list[str] | None:
    try:
        return [each.raw_id for each in emulator.store.roster(room)]
    except NoSuchRoomError:
        return None


async def test_a_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """25 kills at random moments of many writes, on one file.

    Each leaves a whole state with every acknowledged change; a create without a response that is
    repeated after the restart makes one room.
    """
    file = tmp_path / "state.json"
    chance = random.Random(15)
    workers: list[Worker] = []
    for _ in range(KILLS):
        async with emulator_with(file) as (process, endpoint), client_session() as session:
            for worker in workers:
                worker.client = Client(session, endpoint)
                if worker.creating is not None:
                    headers = {"Repeatability-Request-ID": worker.creating}
                    for _ in range(2):
                        again = await worker.client.call("POST", "/rooms", {}, headers=headers)
                        worker.rooms[again.json["id"]] = []
                    worker.creating = None
            while len(workers) < WORKERS:
                seeded = random.Random(len(workers))
                workers.append(Worker(Client(session, endpoint), seeded))
            working = [asyncio.ensure_future(worker.work()) for worker in workers]
            await asyncio.sleep(chance.uniform(0, 0.2))
            process.process.kill()
            await asyncio.gather(*working)
            await process.exit_code()
        async with Emulator(file=file) as emulator:
            assert list(differences(workers, emulator)) == []
    assert sum(len(worker.rooms) for worker in workers) > KILLS


async def test_a_kill_while_the_file_is_replaced(tmp_path: Path) -> None:
    """Each kill comes while a state of megabytes is written: before or after, never between."""
    file = tmp_path / "state.json"
    async with Emulator(file=file) as emulator:
        emulator.store.seed(20_000)
    chance = random.Random(16)
    count = 20_000
    for _ in range(5):
        async with emulator_with(file) as (process, endpoint), client_session() as session:
            client = Client(session, endpoint)
            seeding = client.control("POST", "rooms", {"count": 20_000})
            answered = asyncio.ensure_future(seeding)
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            process.process.kill()
            await process.exit_code()
            with suppress(aiohttp.ClientError):
                await answered
        acknowledged = answered.exception() is None
        async with Emulator(file=file) as emulator:
            found = len(emulator.store)
        assert found == count + 20_000 or (found == count and not acknowledged)
        count = found


async def test_a_full_disk_fails_requests_until_it_is_not(tmp_path: Path) -> None:
    """A change that cannot be saved is status 500, and saved once there is space again."""
    file = tmp_path / "state.json"
    async with emulator_with(file) as (process, endpoint), client_session() as session:
        client = Client(session, endpoint)
        await client.create()
        pid = process.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 10, before[1]))
        refused = await client.call("POST", "/rooms", {})
        assert refused.status == 500
        assert f"cannot write the state file {file}: File too large" in refused.body.decode()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        await client.create()
        process.process.kill()
        await process.exit_code()
    async with Emulator(file=file) as emulator:
        assert len(emulator.store) == 3


async def test_an_unusable_file_is_exit_code_4(tmp_path: Path) -> None:
    broken, used = tmp_path / "broken.json", tmp_path / "used.json"
    broken.write_text("{")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(emulator_with(used))
        for file, sentence in (
            (broken, "is not a state file of the emulator: line 1"),
            (used, "another emulator uses the state file"),
            (tmp_path / "none" / "state.json", "No such file or directory"),
        ):
            done = await run("emulator", "--listen", "127.0.0.1:0", "--location", file)
            assert (done.code, done.out) == (4, "")
            [line] = done.err.splitlines()
            assert line.startswith("rooms-gateway emulator: ")
            assert sentence in line


async def test_without_a_location_nothing_is_written(tmp_path: Path) -> None:
    shell = f"cd {tmp_path} && exec {COMMAND} emulator --in-memory --quiet --listen 127.0.0.1:0"
    async with started("-c", shell, program="sh") as process, client_session() as session:
        endpoint = await process.line("endpoint=(.*)/;accesskey=.*")
        await Client(session, endpoint).create()
        assert names_in(tmp_path) == []
