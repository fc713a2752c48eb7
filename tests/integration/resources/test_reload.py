"""Changes of the tables of resources while calls run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from support.gateways import collect, failure_of, until
from support.several_resources import EU, US, requests, resources, several, table
from support.upstreams import answer, held, scripted

from rooms_emulator import Emulator
from rooms_gateway.settings import Resources
from rooms_gateway.upstream.transport.pacing.family_rate import FamilyRate

CREATE = CreateRoomRequest()
ROOM = GetRoomRequest(room_id="99400000000000000")
ASIA = (("rooms-resource", "asia"),)


class Tables:
    """The tables that the next reload reads; None: the file is invalid."""

    def __init__(self) -> None:
        self.current: dict[str, Mapping[str, Any]] | None = {}
        self.default: str | None = None

    def read(self) -> Resources:
        if self.current is None:
            raise ValueError("gateway.toml: not TOML")
        return resources(self.current, self.default)


async def test_an_added_resource_comes_up() -> None:
    tables = Tables()
    async with Emulator() as asia, several(read=tables.read) as running:
        failed = await failure_of(running.rooms.CreateRoom(CREATE, metadata=ASIA))
        assert failed.reason == "ERROR_REASON_RESOURCE_UNKNOWN"
        tables.current = {
            "eu": table(running.eu),
            "us": table(running.us),
            "asia": table(asia),
        }
        await running.manager.reload()
        await until(lambda: running.manager.serving["asia"])
        await running.rooms.CreateRoom(CREATE, metadata=ASIA)
        assert requests(asia) == 1


@pytest.mark.proves("S93")
async def test_a_removed_resource_ends_its_calls() -> None:
    """New calls are rejected at once; calls in flight succeed."""
    tables, release = Tables(), asyncio.Event()
    async with scripted(held(release, answer(b'{"id":"1"}'))) as service:
        slow = {"connection_string": f"endpoint=http://127.0.0.1:{service.port};accesskey=a2V5"}
        async with several(more={"asia": slow}, read=tables.read) as running:
            flying = running.rooms.CreateRoom(CREATE, metadata=ASIA)
            await until(lambda: any(b"POST" in each for each in service.requests))
            tables.current = {"eu": table(running.eu), "us": table(running.us)}
            await running.manager.reload()
            failed = await failure_of(running.rooms.CreateRoom(CREATE, metadata=ASIA))
            assert failed.reason == "ERROR_REASON_RESOURCE_UNKNOWN"
            release.set()
            assert (await flying).room.id == "1"


@pytest.mark.proves("S93")
async def test_a_shutdown_waits_for_calls_of_removed_ones() -> None:
    tables, release = Tables(), asyncio.Event()
    async with scripted(held(release, answer(b'{"id":"1"}'))) as service:
        slow = {"connection_string": f"endpoint=http://127.0.0.1:{service.port};accesskey=a2V5"}
        async with several(more={"asia": slow}, read=tables.read) as running:
            flying = running.rooms.CreateRoom(CREATE, metadata=ASIA)
            await until(lambda: any(b"POST" in each for each in service.requests))
            tables.current = {"eu": table(running.eu), "us": table(running.us)}
            await running.manager.reload()
            shutdown = asyncio.create_task(running.gateway.__aexit__(None, None, None))
            await asyncio.sleep(0.2)
            release.set()
            assert (await flying).room.id == "1"
            await shutdown


async def test_no_call_is_lost_under_reloads() -> None:
    """A resource is replaced twenty times while calls and lists run."""
    tables, stop = Tables(), asyncio.Event()
    async with several(read=tables.read) as running:
        running.us.store.seed(90)

        async def calls() -> int:
            count = 0
            while not stop.is_set():
                await running.rooms.CreateRoom(CREATE, metadata=US)
                await running.rooms.CreateRoom(CREATE, metadata=EU)
                await collect(running.rooms.ListRooms(ListRoomsRequest(), metadata=US))
                count += 1
            return count

        callers = [asyncio.create_task(calls()) for _ in range(5)]
        tasks = len(asyncio.all_tasks())
        for number in range(20):
            rate = FamilyRate.parse(f"room-writes={1000 + number}")
            tables.current = {
                "eu": table(running.eu),
                "us": table(running.us, upstream_rate=(rate,)),
            }
            await running.manager.reload()
            await asyncio.sleep(0.05)
        stop.set()
        assert all(await asyncio.gather(*callers))
        # Nothing is left of the versions before.
        await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_an_unchanged_resource_is_kept() -> None:
    """Its connections, and what its pacers have learned, survive the reload."""
    tables = Tables()
    async with several(read=tables.read) as running:
        await running.rooms.CreateRoom(CREATE, metadata=EU)
        before = running.manager.connection("eu")
        tables.current = {"eu": table(running.eu)}
        await running.manager.reload()
        assert running.manager.connection("eu") is before


@pytest.mark.proves("S93")
async def test_an_invalid_file_keeps_the_list(caplog: pytest.LogCaptureFixture) -> None:
    tables = Tables()
    tables.current = None
    async with several(read=tables.read) as running:
        with caplog.at_level(logging.WARNING):
            await running.manager.reload()
            await running.manager.reload()
        await running.rooms.CreateRoom(CREATE, metadata=US)
    [line] = [each.getMessage() for each in caplog.records]
    assert line == "gateway.toml: not TOML; keeping the current resources"


async def test_a_change_that_cannot_open_keeps_serving(tmp_path: Path) -> None:
    """The version before serves until the new one is open."""
    tables = Tables()
    async with several(read=tables.read) as running:
        endpoint, _, key = running.us.connection_string.partition(";accesskey=")
        file = tmp_path / "key"
        changed = {"endpoint": endpoint.removeprefix("endpoint="), "access_key_file": file}
        tables.current = {"eu": table(running.eu), "us": changed}
        await running.manager.reload()
        await running.rooms.CreateRoom(CREATE, metadata=US)
        before = running.manager.connection("us")
        file.write_text(key)
        await running.manager.reload()
        await until(lambda: running.manager.connection("us") is not before)
        await running.rooms.CreateRoom(CREATE, metadata=US)


async def test_the_default_is_reloaded_too() -> None:
    tables = Tables()
    async with several(read=tables.read, default="eu") as running:
        tables.current = {"eu": table(running.eu), "us": table(running.us)}
        tables.default = "us"
        await running.manager.reload()
        failed = await failure_of(running.rooms.GetRoom(ROOM))
        assert failed.metadata["resource"] == "us"


async def test_removed_and_added_again_it_is_new() -> None:
    tables = Tables()
    async with several(read=tables.read) as running:
        tables.current = {"eu": table(running.eu)}
        await running.manager.reload()
        tables.current = {"eu": table(running.eu), "us": table(running.us)}
        await running.manager.reload()
        await until(lambda: running.manager.serving["us"])
        await running.rooms.CreateRoom(CREATE, metadata=US)
