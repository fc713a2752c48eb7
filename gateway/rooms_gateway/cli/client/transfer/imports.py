"""Import of exported rooms: each is created again, with another id."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomResponse, Room

from rooms_gateway.cli.client.failures import CallFailure, read_failure
from rooms_gateway.cli.client.stub import Client
from rooms_gateway.cli.client.text import printable, utc
from rooms_gateway.cli.client.transfer.calls import rooms_text, show_progress, with_retries
from rooms_gateway.cli.client.transfer.line_files import Line, LineFile, line_bytes
from rooms_gateway.cli.client.transfer.plans import (
    ImportOptions,
    Plan,
    SkippedRoomError,
    plan_room,
    read_room,
)

FORMAT = "rooms-gateway-import/1"

CONCURRENT_CREATES = 8

_OF_ONE_ROOM = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
    }
)
"""Codes after which the other rooms are imported all the same."""


@dataclass(slots=True)
class Summary:
    """Numbers of rooms, by outcome."""

    imported: int = 0
    present: int = 0
    """Imported by an earlier run."""
    skipped: int = 0
    failed: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        """Return a sentence."""
        verb = "Would import" if self.dry_run else "Imported"
        parts = [f"{verb} {rooms_text(self.imported)}"]
        for number, outcome in (
            (self.present, "imported before"),
            (self.skipped, "skipped"),
            (self.failed, "not imported"),
        ):
            if number:
                parts.append(f"{number} {outcome}")
        return ", ".join(parts) + "."


class RoomMap:
    """The map from old to new room ids: a file, which a later run continues, or standard output."""

    def __init__(
        self, path: Path | None, job_id: uuid.UUID | None, *, read_only: bool = False
    ) -> None:
        """Open the file. Raises ValueError, with a text for the user, if it is no map of the job.

        Without `job_id`, the job is that of the file, or a new one. With `read_only`, lines are
        written to standard output.
        """
        self.done: set[str] = set()
        self.job_id = job_id or uuid.uuid4()
        self._read_only = read_only
        has_file = path is not None and (path.exists() or not read_only)
        self._file = LineFile(path, FORMAT) if path is not None and has_file else None
        if self._file is not None:
            try:
                self._resume(self._file, job_id)
            except ValueError:
                self._file.close()
                raise

    def _resume(self, file: LineFile, job_id: uuid.UUID | None) -> None:
        size = 0
        for end, line in file.read():
            if not size:
                self.job_id = uuid.UUID(str(line.get("jobId")))
            size = end
            self.done.add(line.get("oldId", ""))
        if size and job_id not in {None, self.job_id}:
            raise ValueError(f"{file.path} is the map of another job: {self.job_id}")
        if self._read_only:
            return
        if size:
            file.cut(size)
        else:
            file.start({"jobId": str(self.job_id)})

    def add(self, line: Line) -> None:
        """Write a line."""
        if self._file is not None and not self._read_only:
            self._file.append([line])
        else:
            sys.stdout.buffer.write(line_bytes(line))
            sys.stdout.buffer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Importer:
    """Imports rooms concurrently, and reports the others on standard error."""

    def __init__(
        self, client: Client, options: ImportOptions, room_map: RoomMap, *, dry_run: bool
    ) -> None:
        """With `dry_run` the gateway checks each room, and creates none."""
        self._client = client
        self._options = options
        self._map = room_map
        self._dry_run = dry_run
        self.summary = Summary(dry_run=dry_run)

    def run(self, lines: Iterable[tuple[int, Line | ValueError]]) -> None:
        """Import the rooms of numbered lines.

        Raises grpc.RpcError at the first failure that concerns every room, after the creates that
        are in flight.
        """
        running: dict[Future[CreateRoomResponse], Plan] = {}
        with ThreadPoolExecutor(CONCURRENT_CREATES) as pool:
            for plan in self.plans(lines):
                running[pool.submit(self._create, plan)] = plan
                if len(running) >= CONCURRENT_CREATES:
                    self._finish(running, wait(running, return_when=FIRST_COMPLETED).done)
            self._finish(running, wait(running).done)
        show_progress(self.summary.imported, is_last=True)

    def plans(self, lines: Iterable[tuple[int, Line | ValueError]]) -> Iterator[Plan]:
        """Yield what to create for numbered lines, and count and report the others."""
        incomplete = False
        for number, line in lines:
            try:
                if isinstance(line, ValueError):
                    raise line
                incomplete = "complete" not in line and (incomplete or "format" in line)
                if "room" not in line:
                    continue
                room = read_room(line)
                if room.id in self._map.done:
                    self.summary.present += 1
                    continue
                plan = plan_room(room, line, int(time.time()), self._options)
            except SkippedRoomError as reason:
                self.summary.skipped += 1
                _report(reason.room_id, "skipped", str(reason))
            except ValueError as error:
                self.summary.failed += 1
                _report(f"line {number}", "not imported", str(error))
            else:
                yield plan
        if incomplete:
            click.echo("The export is incomplete: run it again to complete the file.", err=True)

    def _create(self, plan: Plan) -> CreateRoomResponse:
        if self._dry_run:
            plan.request.dry_run.SetInParent()
        return with_retries(lambda: self._client.import_room(plan.request))

    def _finish(
        self, running: dict[Future[CreateRoomResponse], Plan], done: set[Future[CreateRoomResponse]]
    ) -> None:
        """Record the outcomes of creates. Raises the first error that concerns every room."""
        fatal: grpc.RpcError | None = None
        for future in done:
            plan = running.pop(future)
            try:
                self._record(plan, future.result())
            except grpc.RpcError as error:
                failure = read_failure(error)
                if failure.code not in _OF_ONE_ROOM or not failure.reason:
                    fatal = fatal or error
                    continue
                self.summary.failed += 1
                _report(plan.room.id, "not imported", _reason(failure, plan))
        if fatal is not None:
            if running:
                self._finish(running, wait(running).done)
            raise fatal

    def _record(self, plan: Plan, response: CreateRoomResponse) -> None:
        line: dict[str, Any] = {"oldId": plan.room.id, "oldCreatedAt": _created_at(plan.room)}
        if not self._dry_run:
            line |= {"newId": response.room.id, "newCreatedAt": _created_at(response.room)}
        line |= {"changes": plan.changes, "droppedParticipants": plan.dropped}
        self._map.add({name: value for name, value in line.items() if value})
        self.summary.imported += 1
        show_progress(self.summary.imported)


def _created_at(room: Room) -> str:
    return utc(room.created_at) if room.HasField("created_at") else ""


def _reason(failure: CallFailure, plan: Plan) -> str:
    has_roster = failure.code is grpc.StatusCode.INVALID_ARGUMENT and plan.request.participants
    hint = "; to leave out participants of other resources, pass --only-users-of"
    return f"{failure.message}{hint if has_roster else ''}"


def _report(name: str, outcome: str, reason: str) -> None:
    click.echo(f"{printable(name)}: {outcome}: {printable(reason)}", err=True)
