"""`rooms export` and `rooms import` against gateways in front of two resources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.commands import Finished, invoke, refused_address
from support.gateways import Running, gateway_for
from support.samples import user

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_emulator.rooms.windows import Window
from rooms_emulator.timestamps import TICKS_PER_DAY
from rooms_gateway.cli.client.transfer import calls

NOT_ALL_SUCCEEDED = 10


@dataclass
class Transfer:
    """Two resources, and a folder for files."""

    source: Running
    target: Running
    folder: Path

    async def export(self, *arguments: str | Path) -> Finished:
        return await self._run(self.source, "export", *arguments)

    async def import_(self, *arguments: str | Path) -> Finished:
        return await self._run(self.target, "import", *arguments)

    async def _run(self, where: Running, *arguments: str | Path) -> Finished:
        address = ("--address", where.gateway.addresses[0])
        return await asyncio.to_thread(invoke, "rooms", *arguments, *address)

    @property
    def file(self) -> Path:
        return self.folder / "rooms.jsonl"

    @property
    def map(self) -> Path:
        return self.folder / "map.jsonl"

    def lines(self, path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    def pairs(self) -> dict[str, str]:
        """Return the map of ids; fail if it has an id twice."""
        lines = self.lines(self.map)[1:]
        pairs = {line["oldId"]: line["newId"] for line in lines}
        assert len(pairs) == len(lines) == len(set(pairs.values()))
        return pairs


@pytest.fixture
async def transfer(tmp_path: Path) -> AsyncIterator[Transfer]:
    async with AsyncExitStack() as parts:
        running = []
        for _ in range(2):
            emulator = await parts.enter_async_context(Emulator())
            running.append(await parts.enter_async_context(gateway_for(emulator, max_attempts=1)))
        source, target = running
        yield Transfer(source, target, tmp_path)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_LONGEST_WAIT", 0.01)


def room_ids(emulator: Emulator) -> list[str]:
    """Return all rooms, newest first."""
    ids: list[str] = []
    start: int | None = None
    while True:
        page = emulator.store.rooms_page(start)
        ids += [room.id for room in page.items]
        if (start := page.next) is None:
            return ids


async def test_rooms_move_to_another_resource(transfer: Transfer) -> None:
    """With window, dial-out, roster and roles."""
    source, target = transfer.source.emulator.store, transfer.target.emulator.store
    now = transfer.source.emulator.clock.now()
    window = Window(now + TICKS_PER_DAY, now + 2 * TICKS_PER_DAY + 7)
    roster = {user(0): "Presenter", user(1): "Attendee", user(2): "Collaborator"}
    old = source.create(window, roster, pstn_dial_out_enabled=True)
    source.seed(40, participants=2)
    done = await transfer.export("--output", transfer.file)
    assert (done.code, done.out) == (0, f"Exported 41 rooms to {transfer.file}.\n")
    assert transfer.file.stat().st_mode & 0o777 == 0o600
    done = await transfer.import_(transfer.file, "--output", transfer.map)
    assert (done.code, done.out, done.err) == (0, "Imported 41 rooms.\n", "")
    pairs = transfer.pairs()
    assert {*pairs} == {*room_ids(transfer.source.emulator)}
    assert {*pairs.values()} == {*room_ids(transfer.target.emulator)}
    new = target.get(pairs[old.id])
    assert (new.valid_from, new.valid_until) == (old.valid_from, old.valid_until)
    assert new.pstn_dial_out_enabled
    assert target.roster(new.id) == source.roster(old.id)
    assert not target.get(pairs[room_ids(transfer.source.emulator)[0]]).pstn_dial_out_enabled
    entries = [each for each in transfer.target.emulator.journal if each.operation == "CreateRoom"]
    assert len(entries) == 41


async def test_standard_output_has_rooms_only(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(20, participants=1)
    done = await transfer.export()
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["room"]["id"] for line in lines] == room_ids(transfer.source.emulator)
    assert all([*line] == ["room", "participants"] for line in lines)
    assert {*lines[0]["participants"][0]} == {"rawId", "role"}
    assert done.err == ""


async def test_filters_select_what_is_exported(transfer: Transfer) -> None:
    store = transfer.source.emulator.store
    now = transfer.source.emulator.clock.now()
    ended = store.create(Window(now - 20, now - 10), {}).id
    dial_out = store.create(
        Window(now - 20, now + TICKS_PER_DAY), {}, pstn_dial_out_enabled=True
    ).id
    plain = store.create(Window(now - 20, now + TICKS_PER_DAY), {}).id
    for flags, expected in (
        (("--open-now",), [plain, dial_out]),
        (("--dial-out",), [dial_out]),
        (("--no-dial-out", "--open-now"), [plain]),
        (("--closes-before", "now"), [ended]),
        (("--created-after", "+1h"), []),
        (("--valid-at", "+2d"), []),
        (("--created-before", "+1h", "--closes-before", "+2d"), [plain, dial_out, ended]),
    ):
        done = await transfer.export(*flags)
        assert [json.loads(line)["room"]["id"] for line in done.out.splitlines()] == expected


async def test_a_failed_export_continues(transfer: Transfer) -> None:
    """With the filter of the first run, although `now` is later."""
    transfer.source.emulator.store.seed(50)
    faults = transfer.source.emulator.faults
    faults.add(Fault(operation="ListParticipants", skip=20, status=401, count=None))
    flags = ("--output", transfer.file, "--open-now")
    done = await transfer.export(*flags)
    assert done.code == 64 + 14
    assert "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED" in done.err
    faults.clear()
    before = transfer.file.read_bytes()
    done = await transfer.export(*flags)
    assert (done.code, done.err) == (0, "Continuing after 16 rooms.\n")
    assert transfer.file.read_bytes().startswith(before)
    lines = transfer.lines(transfer.file)
    found = [line["room"]["id"] for line in lines if "room" in line]
    assert found == room_ids(transfer.source.emulator)
    assert lines[-1] == {"complete": True, "rooms": 50}
    transfer.source.emulator.journal.clear()
    done = await transfer.export(*flags)
    assert "is complete" in done.err
    assert len(transfer.source.emulator.journal) == 0


async def test_a_torn_export_equals_a_whole_one(transfer: Transfer) -> None:
    """Wherever it was cut, the next run completes it without a room twice."""
    transfer.source.emulator.store.seed(40, participants=1)
    await transfer.export("--output", transfer.file)
    whole = transfer.file.read_bytes()
    for size in range(0, len(whole), len(whole) // 25):
        transfer.file.write_bytes(whole[:size])
        done = await transfer.export("--output", transfer.file)
        assert done.code == 0
        assert transfer.file.read_bytes() == whole


async def test_other_filters_do_not_continue_a_file(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(3)
    await transfer.export("--output", transfer.file, "--dial-out")
    for flags in ((), ("--no-dial-out",), ("--dial-out", "--open-now")):
        done = await transfer.export("--output", transfer.file, *flags)
        assert done.code == 2
        assert "was started with other filters" in done.err


async def test_throttled_exports_wait_and_continue(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(20)
    transfer.source.emulator.faults.add(Fault(skip=5, count=2, status=429))
    transfer.source.emulator.faults.add(Fault(skip=15, count=2, status=503))
    done = await transfer.export("--output", transfer.file)
    assert (done.code, done.out) == (0, f"Exported 20 rooms to {transfer.file}.\n")


async def test_a_roster_that_fails_is_reported(transfer: Transfer) -> None:
    """A room that was deleted meanwhile is no error."""
    transfer.source.emulator.store.seed(3)
    faults = transfer.source.emulator.faults
    faults.add(Fault(operation="ListParticipants", status=404))
    faults.add(Fault(operation="ListParticipants", status=500))
    done = await transfer.export("--output", transfer.file)
    assert done.code == NOT_ALL_SUCCEEDED
    assert done.err.count("not exported") == 1
    assert transfer.lines(transfer.file)[-1] == {"complete": True, "rooms": 1, "failed": 1}


async def test_a_failed_import_continues(transfer: Transfer) -> None:
    """No room is created twice, also if a response was lost."""
    transfer.source.emulator.store.seed(40)
    await transfer.export("--output", transfer.file)
    faults = transfer.target.emulator.faults
    faults.add(Fault(operation="CreateRoom", skip=10, drop="after"))
    faults.add(Fault(operation="CreateRoom", skip=15, status=401, count=None))
    flags = (transfer.file, "--output", transfer.map)
    done = await transfer.import_(*flags)
    assert done.code == 64 + 14
    faults.clear()
    before = transfer.pairs()
    assert before
    done = await transfer.import_(*flags)
    assert done.code == 0
    assert f"{len(before)} imported before" in done.out
    assert len(transfer.pairs()) == len(room_ids(transfer.target.emulator)) == 40
    done = await transfer.import_(*flags)
    assert done.out == "Imported 0 rooms, 40 imported before.\n"


async def test_a_throttled_import_waits(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(12)
    await transfer.export("--output", transfer.file)
    faults = transfer.target.emulator.faults
    faults.add(Fault(skip=3, count=3, status=429, headers={"Retry-After": "0"}))
    faults.add(Fault(skip=9, count=2, status=503))
    done = await transfer.import_(transfer.file, "--output", transfer.map)
    assert (done.code, done.err) == (0, "")
    assert len(transfer.pairs()) == len(room_ids(transfer.target.emulator)) == 12


async def test_an_upstream_that_dies_ends_an_import(transfer: Transfer) -> None:
    """After some retries; a later run imports the rest."""
    transfer.source.emulator.store.seed(20)
    await transfer.export("--output", transfer.file)
    faults = transfer.target.emulator.faults
    faults.add(Fault(operation="CreateRoom", skip=10, drop="before", count=None))
    flags = (transfer.file, "--output", transfer.map)
    done = await transfer.import_(*flags)
    assert done.code == 64 + 14
    assert "ERROR_REASON_UPSTREAM_UNAVAILABLE" in done.err
    faults.clear()
    done = await transfer.import_(*flags)
    assert done.code == 0
    assert len(transfer.pairs()) == len(room_ids(transfer.target.emulator)) == 20


async def test_a_lost_map_line_creates_no_second_room(transfer: Transfer) -> None:
    """The process was killed between the create and the line."""
    transfer.source.emulator.store.seed(10)
    await transfer.export("--output", transfer.file)
    flags = (transfer.file, "--output", transfer.map)
    await transfer.import_(*flags)
    before = transfer.pairs()
    transfer.map.write_bytes(transfer.map.read_bytes()[:-200])
    done = await transfer.import_(*flags)
    assert done.code == 0
    assert transfer.pairs() == before


async def test_a_job_id_replaces_the_file(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(3)
    await transfer.export("--output", transfer.file)
    job = ("--job-id", str(UUID(int=7, version=4)))
    first = await transfer.import_(transfer.file, *job)
    again = await transfer.import_(transfer.file, *job)
    assert sorted(first.out.splitlines()) == sorted(again.out.splitlines())
    assert (first.code, first.err) == (0, "Imported 3 rooms.\n")
    await transfer.import_(transfer.file, "--output", transfer.map, *job)
    done = await transfer.import_(
        transfer.file, "--output", transfer.map, "--job-id", str(UUID(int=8))
    )
    assert done.code == 2
    assert f"the job id of --job-id is {UUID(int=8)}, and that of {transfer.map} is " in done.err


async def test_a_dry_run_creates_and_writes_nothing(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(3)
    await transfer.export("--output", transfer.file)
    done = await transfer.import_(transfer.file, "--output", transfer.map, "--dry-run")
    assert (done.code, len(done.out.splitlines())) == (0, 4)
    assert "Would import 3 rooms." in done.out
    assert not transfer.map.exists()
    assert len(transfer.target.emulator.journal) == 0


async def test_ended_rooms_are_skipped_or_reopened(transfer: Transfer) -> None:
    now = transfer.source.emulator.clock.now()
    store = transfer.source.emulator.store
    old = store.create(Window(now - 2 * TICKS_PER_DAY, now - TICKS_PER_DAY), {}).id
    await transfer.export("--output", transfer.file)
    flags = (transfer.file, "--output", transfer.map)
    done = await transfer.import_(*flags)
    assert (done.code, done.out) == (0, "Imported 0 rooms, 1 skipped.\n")
    assert done.err.startswith(f"{old}: skipped: its window has ended at ")
    done = await transfer.import_(*flags, "--reopen", "7d")
    assert done.out == "Imported 1 room.\n"
    (new,) = transfer.pairs().values()
    done = await transfer.import_(*flags)
    assert (done.out, done.err) == ("Imported 0 rooms, 1 imported before.\n", "")
    room = transfer.target.emulator.store.get(new)
    assert abs(room.valid_until - room.valid_from - 7 * TICKS_PER_DAY) < TICKS_PER_DAY // 100


async def test_a_rejected_participant_fails_its_room(transfer: Transfer) -> None:
    """Its raw id is not printed; participants of other resources can be left out."""
    rejected = "4:+15551234567"
    roster = {user(0): "Presenter", rejected: "Attendee", user(2): "Attendee"}
    now = transfer.source.emulator.clock.now()
    transfer.source.emulator.store.seed(1)
    transfer.source.emulator.store.create(Window(now, now + TICKS_PER_DAY), roster)
    await transfer.export("--output", transfer.file)
    flags = (transfer.file, "--output", transfer.map)
    done = await transfer.import_(*flags)
    assert (done.code, done.out) == (NOT_ALL_SUCCEEDED, "Imported 1 room, 1 not imported.\n")
    assert "pass --only-users-of" in done.err
    assert rejected not in done.err
    resource = user(0).rpartition(":")[2].partition("_")[0]
    done = await transfer.import_(*flags, "--only-users-of", resource.upper())
    assert (done.code, done.out) == (0, "Imported 1 room, 1 imported before.\n")
    line = transfer.lines(transfer.map)[-1]
    found = transfer.target.emulator.store.roster(line["newId"])
    assert [(each.raw_id, each.role) for each in found] == [
        (user(0), "Presenter"),
        (user(2), "Attendee"),
    ]
    assert line["droppedParticipants"] == [rejected]


async def test_malformed_lines_do_not_stop_an_import(transfer: Transfer) -> None:
    transfer.source.emulator.store.seed(2)
    await transfer.export("--output", transfer.file)
    header, one, two, _ = transfer.file.read_text().splitlines()
    lines = [header, "garbage", one, "[]", '{"room":{}}', two, two[:50]]
    transfer.file.write_text("\n".join(lines))
    done = await transfer.import_(transfer.file, "--output", transfer.map)
    assert (done.code, done.out) == (NOT_ALL_SUCCEEDED, "Imported 2 rooms, 3 not imported.\n")
    assert [line.partition(":")[0] for line in done.err.splitlines()] == [
        "line 2",
        "line 4",
        "line 5",
        "The export is incomplete",
    ]


async def test_an_unreachable_gateway_ends_the_commands(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"room":{"id":"7"}}\n')
    with refused_address() as address:
        for command in (("export",), ("import", tmp_path / "file")):
            done = await asyncio.to_thread(invoke, "rooms", *command, "--address", address)
            assert done.code == 64 + 14
            assert "Is a gateway running" in done.err
