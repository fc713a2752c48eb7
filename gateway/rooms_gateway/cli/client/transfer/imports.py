"""Import of exported rooms: each is created again, with another id."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomResponse, Room

from rooms_gateway.cli.client.failures import CallFailure, read_failure
from rooms_gateway.cli.client.line_files import Line, LineFile
from rooms_gateway.cli.client.progress import Progress
from rooms_gateway.cli.client.stub import Client
from rooms_gateway.cli.client.text import counts_text, printable, rooms_text, utc
from rooms_gateway.cli.client.transfer.calls import with_retries
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
        return counts_text(
            f"{verb} {rooms_text(self.imported)}",
            (self.present, "imported before"),
            (self.skipped, "skipped"),
            (self.failed, "not imported"),
        )


class Importer:
    """Imports rooms concurrently, and reports the others on standard error."""

    def __init__(
        self,
        client: Client,
        options: ImportOptions,
        room_map: LineFile,
        progress: Progress,
        *,
        dry_run: bool,
    ) -> None:
        """Continue the map from old to new room ids. Raises click.UsageError if it is malformed.

        With `dry_run` the gateway checks each room, and creates none.
        """
        self._client = client
        self._options = options
        self._map = room_map
        self._progress = progress
        self._dry_run = dry_run
        self._done = {str(line.get("oldId")) for line in room_map.read()}
        room_map.begin({"jobId": str(options.job_id)})
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
                if room.id in self._done:
                    self.summary.present += 1
                    continue
                plan = plan_room(room, line, int(time.time()), self._options)
            except SkippedRoomError as reason:
                self.summary.skipped += 1
                self._report(reason.room_id, "skipped", str(reason))
            except ValueError as error:
                self.summary.failed += 1
                self._report(f"line {number}", "not imported", str(error))
            else:
                yield plan
        if incomplete:
            self._progress.report("The export is incomplete: run it again to complete the file.")

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
                self._report(plan.room.id, "not imported", _reason(failure, plan))
        if fatal is not None:
            if running:
                self._finish(running, wait(running).done)
            raise fatal

    def _record(self, plan: Plan, response: CreateRoomResponse) -> None:
        line: dict[str, Any] = {"oldId": plan.room.id, "oldCreatedAt": _created_at(plan.room)}
        if not self._dry_run:
            line |= {"newId": response.room.id, "newCreatedAt": _created_at(response.room)}
        line |= {"changes": plan.changes, "droppedParticipants": plan.dropped}
        self._map.append({name: value for name, value in line.items() if value})
        self.summary.imported += 1
        self._progress.show(self.summary.imported, self.summary.failed)

    def _report(self, name: str, outcome: str, reason: str) -> None:
        self._progress.report(f"{printable(name)}: {outcome}: {printable(reason)}")


def _created_at(room: Room) -> str:
    return utc(room.created_at) if room.HasField("created_at") else ""


def _reason(failure: CallFailure, plan: Plan) -> str:
    has_roster = failure.code is grpc.StatusCode.INVALID_ARGUMENT and plan.request.participants
    hint = "; to leave out participants of other resources, pass --only-users-of"
    return f"{failure.message}{hint if has_roster else ''}"
