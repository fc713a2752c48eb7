"""Exports and imports that are killed and repeated."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

from support.commands import run, started
from support.gateways import gateway_for, until

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault


async def killed(when: Callable[[], bool], *arguments: str | Path) -> None:
    """Run a command and kill it when a condition holds."""
    async with started(*arguments) as process:
        await until(lambda: when() or process.ended)
        assert not process.ended, process.err
        process.signal(signal.SIGKILL)
        await process.exit_code()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


async def test_a_killed_export_continues(tmp_path: Path) -> None:
    async with Emulator() as emulator, gateway_for(emulator) as running:
        seeded = emulator.store.seed(100, participants=2)
        file = tmp_path / "rooms.jsonl"
        command = ("rooms", "export", "--output", file, "--address", running.gateway.addresses[0])
        emulator.faults.add(Fault(operation="ListParticipants", latency=0.03, count=None))
        for count in (1, 20, 60):
            await killed(lambda count=count: lines(file) > count, *command)  # type: ignore[misc] # a lambda's default
        done = await run(*command)
    assert (done.code, done.out) == (0, f"Exported 100 rooms to {file}.\n")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["room"]["id"] for line in found if "room" in line] == seeded[::-1]
    assert all(len(line["participants"]) == 2 for line in found if "room" in line)


async def test_a_killed_import_creates_no_room_twice(tmp_path: Path) -> None:
    async with Emulator() as emulator, gateway_for(emulator) as running:
        emulator.store.seed(60)
        address = ("--address", running.gateway.addresses[0])
        file, room_map = tmp_path / "rooms.jsonl", tmp_path / "map.jsonl"
        await run("rooms", "export", "--output", file, *address)
        command = ("rooms", "import", file, "--output", room_map, *address)
        emulator.faults.add(Fault(operation="CreateRoom", latency=0.05, count=None))
        for count in (1, 15, 30):
            await killed(lambda count=count: lines(room_map) > count, *command)  # type: ignore[misc] # a lambda's default
        done = await run(*command)
        assert done.code == 0, done.err
        assert len(emulator.store) == 120
    found = [json.loads(line) for line in room_map.read_text().splitlines()[1:]]
    assert len({line["oldId"] for line in found}) == len(found) == 60
    assert len({line["newId"] for line in found}) == 60


async def test_ctrl_c_leaves_a_file_that_continues(tmp_path: Path) -> None:
    async with Emulator() as emulator, gateway_for(emulator) as running:
        emulator.store.seed(60)
        file = tmp_path / "rooms.jsonl"
        command = ("rooms", "export", "--output", file, "--address", running.gateway.addresses[0])
        emulator.faults.add(Fault(operation="ListParticipants", latency=0.05, count=None))
        async with started(*command) as process:
            await until(lambda: lines(file) > 1)
            process.signal(signal.SIGINT)
            assert await process.exit_code() == 130
            assert process.err == ""
        done = await run(*command)
    assert done.code == 0
    assert done.err.startswith("Continuing after ")
