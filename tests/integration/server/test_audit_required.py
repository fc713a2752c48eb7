"""`--audit-required`: no change without a line, and no response before it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RetryInfo
from support.gateways import UNKNOWN_ROOM, Failed, Running, failure_of, gateway_for, until

from rooms_emulator import Emulator
from rooms_gateway.telemetry.audit import writer

FULL = Path("/dev/full")
OK = grpc.StatusCode.OK
UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "ERROR_REASON_AUDIT_LOG_UNAVAILABLE")


class FullPipe:
    """A named pipe that is full, so that writing to it does not return."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = ""
        os.mkfifo(path)
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        while self._write():
            pass

    def _write(self) -> int:
        try:
            return os.write(self._file, b"\n" * 4096)
        except BlockingIOError:
            return 0

    def read(self) -> str:
        """Read all that is in it; return all that was ever read."""
        while True:
            try:
                self._text += os.read(self._file, 1 << 16).strip(b"\n").decode()
            except BlockingIOError:
                return self._text

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(writer, "STALLED_AFTER", 0.2)
    monkeypatch.setattr(writer, "FLUSH_TIMEOUT", 0.0)
    made = FullPipe(tmp_path / "pipe")
    yield made
    # What waits in it must return before the file descriptor is another's.
    made.read()
    made.close()


@asynccontextmanager
async def auditing(path: Path, *, required: bool = True, **others: Any) -> AsyncIterator[Running]:
    async with (
        Emulator() as emulator,
        gateway_for(emulator, audit_log=path, audit_required=required, **others) as running,
    ):
        yield running


def code_and_reason(failed: Failed) -> tuple[grpc.StatusCode, str]:
    return failed.code, failed.reason


@pytest.mark.proves("S88")
async def test_changes_are_rejected_until_a_write_succeeds(tmp_path: Path) -> None:
    """The first call meets the full disk and is executed; each rejected one tries to write."""
    path = tmp_path / "audit.log"
    path.symlink_to(FULL)
    async with auditing(path) as running:
        room = (await running.rooms.CreateRoom(CreateRoomRequest())).room.id
        sent = running.requests()
        for _ in range(3):
            failed = await failure_of(running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room)))
            assert code_and_reason(failed) == UNAVAILABLE
            assert failed.detail(RetryInfo) is not None
            assert failed.metadata["attempts"] == "0"
        assert running.requests() == sent
        path.unlink()
        # A rejected call does not wait for its line, which makes the log available again.
        while await running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room)).code() != OK:
            await asyncio.sleep(0.01)
    *rejected, deleted = path.read_text().splitlines()
    assert all('"reason":"ERROR_REASON_AUDIT_LOG_UNAVAILABLE"' in line for line in rejected)
    assert '"code":"OK"' in deleted


@pytest.mark.proves("S88")
async def test_reads_and_dry_runs_need_no_audit_log() -> None:
    async with auditing(FULL) as running:
        room = (await running.rooms.CreateRoom(CreateRoomRequest())).room.id
        await running.rooms.GetRoom(GetRoomRequest(room_id=room))
        await running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room, dry_run=DryRun()))
        invalid = await failure_of(running.rooms.DeleteRoom(DeleteRoomRequest(room_id="a b")))
        assert invalid.reason == "ERROR_REASON_REQUEST_INVALID"
        await running.rooms.GetRoom(GetRoomRequest(room_id=room))


@pytest.mark.proves("S88")
async def test_response_waits_for_its_line(pipe: FullPipe) -> None:
    async with auditing(pipe.path) as running:
        call = running.rooms.CreateRoom(CreateRoomRequest())
        await until(lambda: running.requests("CreateRoom") == 1)
        await asyncio.sleep(0.1)
        assert not call.done()
        pipe.read()
        room = (await call).room.id
        assert f'"room_id":"{room}"' in pipe.read()


@pytest.mark.proves("S88")
async def test_hanging_write_rejects_further_changes(pipe: FullPipe) -> None:
    """The call that waits for the write ends at its deadline, and the others at once."""
    request = DeleteRoomRequest(room_id=UNKNOWN_ROOM)
    async with auditing(pipe.path) as running:
        waiting = asyncio.ensure_future(running.rooms.CreateRoom(CreateRoomRequest(), timeout=2))
        await until(lambda: running.requests("CreateRoom") == 1)
        await asyncio.sleep(writer.STALLED_AFTER)
        failed = await failure_of(running.rooms.DeleteRoom(request))
        assert code_and_reason(failed) == UNAVAILABLE
        assert running.requests("DeleteRoom") == 0
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await waiting
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: "DeleteRoom" in pipe.read())
        assert "CreateRoom" in pipe.read()
        failed = await failure_of(running.rooms.DeleteRoom(request))
        assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"


async def test_call_cancelled_while_it_waits_frees_its_slot(pipe: FullPipe) -> None:
    async with auditing(pipe.path, max_concurrent_calls=1, max_queued_calls=0) as running:
        waiting = running.rooms.CreateRoom(CreateRoomRequest())
        await until(lambda: running.requests("CreateRoom") == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: "CreateRoom" in pipe.read())
        assert await running.rooms.CreateRoom(CreateRoomRequest())


async def test_calls_do_not_wait_for_a_log_that_is_optional(pipe: FullPipe) -> None:
    async with auditing(pipe.path, required=False) as running:
        for _ in range(20):
            await running.rooms.CreateRoom(CreateRoomRequest())
        assert running.requests("CreateRoom") == 20
