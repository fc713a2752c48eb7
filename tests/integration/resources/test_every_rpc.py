"""Filters, syncs, bulk streams and the audit log of a gateway with several resources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.participants_pb2 import SyncParticipantsRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, ListRoomsRequest, RoomFilter
from google.protobuf.timestamp_pb2 import Timestamp
from support.bulk import by_key, creates, deletes
from support.gateways import collect, failure_of, until
from support.samples import A
from support.several_resources import EU, US, requests, several


async def test_items_of_a_stream_are_of_its_resource() -> None:
    async with several() as running:
        made = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(20))), metadata=US))
        assert (requests(running.eu), requests(running.us)) == (0, 20)
        ids = [result.response.room.id for result in made.values()]
        await by_key(running.rooms.BulkDeleteRooms(iter(deletes(ids)), metadata=US))
        assert (requests(running.eu), len(running.us.store)) == (0, 0)


@pytest.mark.proves("S91")
@pytest.mark.parametrize("include_participants", [False, True])
async def test_tokens_of_filters_are_of_their_resource(include_participants: bool) -> None:
    async with several() as running:
        for metadata in (EU, US):
            await by_key(running.rooms.BulkCreateRooms(iter(creates(range(70))), metadata=metadata))
        request = ListRoomsRequest(
            filter=RoomFilter(created_after=Timestamp(seconds=1)),
            include_participants=include_participants,
            max_pages=1,
        )
        [page] = await collect(running.rooms.ListRooms(request, metadata=EU))
        request.page_token = page.next_page_token
        assert page.next_page_token
        failed = await failure_of(lambda: collect(running.rooms.ListRooms(request, metadata=US)))
        assert failed.reason == "ERROR_REASON_PAGE_TOKEN_INVALID"
        [following] = await collect(running.rooms.ListRooms(request, metadata=EU))
        assert not {room.id for room in page.rooms} & {room.id for room in following.rooms}


async def test_lines_of_the_audit_log_name_the_resource(tmp_path: Path) -> None:
    """Those of items and of rejected calls too; a call without a resource has none."""
    log, key = tmp_path / "audit.log", tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    async with several(audit_log=log, audit_key_file=key) as running:
        room = (await running.rooms.CreateRoom(CreateRoomRequest(), metadata=EU)).room
        await by_key(running.rooms.BulkCreateRooms(iter(creates(range(2))), metadata=US))
        sync = SyncParticipantsRequest(room_id=room.id, max_removals=0)
        sync.participants.add(raw_id=A)
        await running.participants.SyncParticipants(sync, metadata=EU)
        sync = SyncParticipantsRequest(room_id=room.id, dry_run=DryRun())
        await running.participants.SyncParticipants(sync, metadata=EU)
        await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
        await until(lambda: log.read_text().count("\n") == 7)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    found = [
        (each["method"].rpartition("/")[2], each["item"], each["resource"], each["code"])
        for each in lines
    ]
    assert sorted(found[1:4], key=lambda each: each[1] or 9) == [
        ("BulkCreateRooms", 1, "us", "OK"),
        ("BulkCreateRooms", 2, "us", "OK"),
        ("BulkCreateRooms", 0, "us", "OK"),
    ]
    assert [found[0], *found[4:]] == [
        ("CreateRoom", 0, "eu", "OK"),
        ("SyncParticipants", 0, "eu", "OK"),
        ("SyncParticipants", 0, "eu", "OK"),
        ("CreateRoom", 0, "", "INVALID_ARGUMENT"),
    ]
    assert [each["dry_run"] for each in lines[4:6]] == [False, True]
    assert [each["removals"] for each in lines[4:6]] == [0, 1]
    # Hashes of the placeholders of a dry run would be those of no participant.
    assert [len(each["removed_identifier_hashes"]) for each in lines[4:6]] == [0, 0]
    assert all(A not in line for line in log.read_text().splitlines())
