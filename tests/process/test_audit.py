"""The audit log of a process: rotation, full disks, unread pipes, signals, settings."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest
from support.collectors import scrape
from support.commands import REFUSING, Process, invoke, started
from support.gateways import UNKNOWN_ROOM, failure_of, until

UNAVAILABLE = "ERROR_REASON_AUDIT_LOG_UNAVAILABLE"


@asynccontextmanager
async def serving(path: Path | str, *flags: str) -> AsyncIterator[tuple[Process, Any]]:
    """Run a gateway with an emulator and an audit log; yield it and a stub of RoomsService."""
    async with (
        started(
            *("serve", "--emulator", "--listen", "127.0.0.1:0", "--log-format", "console"),
            *("--audit-log", path, *flags),
        ) as process,
        grpc.aio.insecure_channel(await process.address()) as channel,
    ):
        yield process, rooms_service_pb2_grpc.RoomsServiceStub(channel)


async def create(rooms: Any, count: int) -> list[str]:
    """Create rooms concurrently; return their ids."""
    calls = [rooms.CreateRoom(CreateRoomRequest()) for _ in range(count)]
    return [(await call).room.id for call in calls]


def room_ids(*paths: Path) -> list[str]:
    """Return the rooms of all lines, each of which is whole."""
    lines = [line for path in paths for line in path.read_text().splitlines(keepends=True)]
    assert all(line.endswith("\n") for line in lines)
    return [json.loads(line)["room_id"] for line in lines]


async def stop(process: Process) -> int:
    process.signal(signal.SIGTERM)
    return await process.exit_code()


async def test_rotation_loses_no_line(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    async with serving(path) as (process, rooms):
        calls = asyncio.ensure_future(create(rooms, 200))
        await until(lambda: path.exists() and path.stat().st_size > 0)
        path.rename(old)
        created = await calls
        created += await create(rooms, 1)
        assert await stop(process) == 0
    assert sorted(room_ids(old, path)) == sorted(created)
    assert room_ids(path)[-1] == created[-1]


async def test_shutdown_writes_all_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    async with serving(path) as (process, rooms):
        created = await create(rooms, 100)
        assert await stop(process) == 0
    assert sorted(room_ids(path)) == sorted(created)


async def test_sigkill_leaves_only_whole_lines(tmp_path: Path) -> None:
    """With `--audit-required`, every room that a caller knows has a line."""
    path = tmp_path / "audit.log"
    known = []
    async with serving(path, "--audit-required") as (process, rooms):

        async def create_until_killed() -> None:
            while True:
                known.append((await rooms.CreateRoom(CreateRoomRequest())).room.id)

        calls = [asyncio.ensure_future(create_until_killed()) for _ in range(8)]
        await until(lambda: len(known) > 50)
        process.signal(signal.SIGKILL)
        await asyncio.gather(*calls, return_exceptions=True)
    assert set(known) <= set(room_ids(path))


@pytest.mark.proves("S87")
async def test_full_disk_does_not_stop_calls() -> None:
    flags = ("--admin-listen", "127.0.0.1:0")
    async with serving("/dev/full", *flags) as (process, rooms):
        await create(rooms, 20)
        admin = process.err.partition("metrics are on http://")[2].split()[0]
        async with asyncio.timeout(30):
            while (await scrape(admin)).total("rooms_gateway_audit_failures_total") < 20:
                await asyncio.sleep(0.05)
        assert await stop(process) == 0
    assert process.err.count("cannot write the audit log /dev/full: No space left on device") == 1


@pytest.mark.proves("S87")
async def test_unread_pipe_does_not_stop_calls(tmp_path: Path) -> None:
    """Nor does it prevent the end of the process."""
    os.mkfifo(tmp_path / "pipe")
    async with serving(tmp_path / "pipe") as (process, rooms):
        # More than the 64 KiB of a pipe.
        await create(rooms, 300)
        assert await stop(process) == 0
    assert "lines were lost at shutdown" in process.err


@pytest.mark.proves("S88")
async def test_required_log_recovers_after_a_full_disk(tmp_path: Path) -> None:
    """The line that the disk cut off is followed by whole ones."""
    path = tmp_path / "audit.log"
    async with serving(path, "--audit-required") as (process, rooms):
        pid = process.process.pid
        await create(rooms, 1)
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        [cut] = await create(rooms, 1)
        request = DeleteRoomRequest(room_id=cut)
        assert (await failure_of(rooms.DeleteRoom(request))).reason == UNAVAILABLE
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        # A rejected call does not wait for its line, which makes the log available again.
        while await rooms.DeleteRoom(request).code() is grpc.StatusCode.UNAVAILABLE:
            await asyncio.sleep(0.01)
        assert await stop(process) == 0
    _, torn, *rejected, deleted = path.read_text().splitlines()
    assert len(torn) == 100
    assert {json.loads(line)["reason"] for line in rejected} == {UNAVAILABLE}
    assert (json.loads(deleted)["room_id"], json.loads(deleted)["code"]) == (cut, "OK")
    assert "cannot write the audit log" in process.err
    assert f"the audit log {path} is written again" in process.err


async def test_lines_go_to_standard_output() -> None:
    async with serving("-") as (process, rooms):
        failed = await failure_of(rooms.DeleteRoom(DeleteRoomRequest(room_id=UNKNOWN_ROOM)))
        assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
        assert await process.line(f'{{.*"room_id":"({UNKNOWN_ROOM})".*}}')
        assert await stop(process) == 0


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--audit-required"], "--audit-required needs --audit-log."),
        (["--audit-key-file", "key"], "--audit-key-file needs --audit-log."),
        (
            ["--audit-log", "missing/audit.log"],
            "--audit-log: cannot open missing/audit.log: there is no directory missing.",
        ),
        (["--audit-log", "."], "--audit-log: cannot open .: Is a directory."),
        (
            ["--audit-log", "audit.log", "--audit-key-file", "short"],
            (
                "--audit-key-file: short has a key of fewer than 32 characters: make one with "
                "openssl rand -hex 32."
            ),
        ),
    ],
)
def test_config_test_and_serve_reject_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: Sequence[str], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("canary")
    (tmp_path / "key").write_text("k" * 32)
    command = ("serve", *REFUSING, "--listen", "127.0.0.1:0", *flags)
    tested, served = invoke(*command, "--config-test"), invoke(*command)
    assert (tested.code, served.code) == (2, 2)
    assert f"rooms-gateway: {error}\n" in tested.err
    assert tested.err == served.err
    assert not (tmp_path / "audit.log").exists()
