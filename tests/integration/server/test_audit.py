"""The audit log of a gateway: which calls have a line, and the fields of each."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import rooms_service_pb2, rooms_service_pb2_grpc
from acs.rooms.v1.join_pb2 import AdmitParticipantsRequest, Guest
from acs.rooms.v1.participants_pb2 import (
    ListParticipantsRequest,
    Participant,
    RemoveParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    CreateRoomResponse,
    DeleteRoomRequest,
    DeleteRoomResponse,
    GetRoomRequest,
    ListRoomsRequest,
    UpdateRoomRequest,
)
from google.protobuf.empty_pb2 import Empty
from support.authority import OURS, Files, channel
from support.gateways import UNKNOWN_ROOM, Running, collect, failure_of, gateway_for, until
from support.policies import ISSUER, STATIC, PolicyFiles, Signer, bearer, jwt_table, named
from support.samples import A, B
from support.upstreams import scripted, silence

from rooms_emulator import Emulator
from rooms_gateway.call import Call
from rooms_gateway.errors import RosterFullError
from rooms_gateway.server.calls.audit import Audit, audit_of
from rooms_gateway.settings import Upstream
from rooms_gateway.telemetry.audit.hash_key import HashKey
from rooms_gateway.telemetry.audit.writer import AuditWriter
from rooms_gateway.upstream.endpoint import parse_connection_string

KEY = "0123456789abcdef0123456789abcdef"
OK = ("OK", "")
FULL = Path("/dev/full")

POLICY = f"""
tokens-file = "tokens"
{jwt_table()}
[callers.billing]
role = "admin"
subject = "billing"
uri = "urn:billing"
[callers.reader]
role = "reader"
[callers.local]
role = "admin"
socket = true
"""


class Log:
    """An audit log and its key."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.log"
        self.key = folder / "key"
        self.key.write_text(KEY)

    @property
    def settings(self) -> dict[str, Any]:
        return {"audit_log": self.path, "audit_key_file": self.key}

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def hashes(self, *identifiers: str) -> list[str]:
        return sorted(map(HashKey(self.key).hash, identifiers))

    async def line(self) -> dict[str, Any]:
        """Wait for the only line."""
        await until(lambda: self.path.exists() and self.path.read_text().endswith("\n"))
        [line] = self.lines()
        return line


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def outcome(line: dict[str, Any]) -> tuple[str, str]:
    return line["code"], line["reason"]


@asynccontextmanager
async def gateway_before(port: int, **others: Any) -> AsyncIterator[Running]:
    """Run a gateway with an upstream on `port`."""
    string = f"endpoint=http://127.0.0.1:{port};accesskey=a2V5"
    async with (
        Emulator() as unused,
        gateway_for(
            unused, Upstream.with_key(*parse_connection_string(string)), **others
        ) as running,
    ):
        yield running


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.proves("S86")
async def test_line_has_caller_room_counts_and_outcome(log: Log) -> None:
    async with Emulator() as emulator, gateway_for(emulator, **log.settings) as running:
        request = CreateRoomRequest(participants=[Participant(raw_id=A)])
        metadata = [("x-request-id", "mine")]
        room = (await running.rooms.CreateRoom(request, metadata=metadata)).room.id
        guests = [Guest(raw_id=A, label="canary"), Guest(new_user=Empty(), label="canary")]
        admitted = await running.join.AdmitParticipants(
            AdmitParticipantsRequest(room_id=room, guests=guests)
        )
        new = admitted.results[1].participant.raw_id
        await running.participants.RemoveParticipants(
            RemoveParticipantsRequest(room_id=room, remove_raw_ids=[A, B])
        )
    created, joined, removed = log.lines()
    assert created.pop("time").endswith("Z")
    assert created.pop("upstream_id")
    assert created == {
        "method": "/acs.rooms.v1.RoomsService/CreateRoom",
        "item": 0,
        "caller": "",
        "proof": "none",
        "peer": "ipv4:127.0.0.1",
        "resource": "127.0.0.1",
        "room_id": room,
        "dry_run": False,
        "code": "OK",
        "reason": "",
        "participants": 1,
        "removals": 0,
        "guests": 0,
        "users_created": 0,
        "tokens_issued": 0,
        "identifier_hashes": log.hashes(A),
        "removed_identifier_hashes": [],
        "attempts": 1,
        "request_id": "mine",
        "trace_id": "",
    }
    counts = ("guests", "users_created", "tokens_issued", "attempts")
    # The user of another resource gets no token.
    assert [joined[name] for name in counts] == [2, 1, 1, 6]
    assert joined["identifier_hashes"] == log.hashes(A, new)
    assert (removed["removals"], removed["identifier_hashes"]) == (2, [])
    assert removed["removed_identifier_hashes"] == log.hashes(A, B)


async def test_calls_without_side_effects_have_no_line(log: Log) -> None:
    async with Emulator() as emulator, gateway_for(emulator, **log.settings) as running:
        [room] = emulator.store.seed(1)
        await running.rooms.GetRoom(GetRoomRequest(room_id=room))
        await collect(running.rooms.ListRooms(ListRoomsRequest()))
        await collect(running.participants.ListParticipants(ListParticipantsRequest(room_id=room)))
        await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id="a b")))
    assert log.lines() == []


async def test_dry_run_is_marked_as_one(log: Log) -> None:
    async with Emulator() as emulator, gateway_for(emulator, **log.settings) as running:
        request = DeleteRoomRequest(room_id=UNKNOWN_ROOM, dry_run=DryRun())
        await running.rooms.DeleteRoom(request)
    [line] = log.lines()
    assert (line["dry_run"], outcome(line), line["attempts"]) == (True, OK, 0)


async def test_lines_have_no_hashes_without_a_key(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    async with Emulator() as emulator, gateway_for(emulator, audit_log=log.path) as running:
        await running.rooms.CreateRoom(CreateRoomRequest(participants=[Participant(raw_id=A)]))
    [line] = log.lines()
    assert (line["participants"], line["identifier_hashes"]) == (1, [])
    assert "--audit-log: without --audit-key-file, lines do not show which" in caplog.text


@pytest.mark.proves("S86")
async def test_failed_and_rejected_calls_have_lines(log: Log) -> None:
    """A request that breaks rules has counts, and no hashes: it may name any participant."""
    async with Emulator() as emulator, gateway_for(emulator, **log.settings) as running:
        await failure_of(running.rooms.DeleteRoom(DeleteRoomRequest(room_id=UNKNOWN_ROOM)))
        await failure_of(running.rooms.UpdateRoom(UpdateRoomRequest(room_id=UNKNOWN_ROOM)))
        twice = [Participant(raw_id=A)] * 2
        await failure_of(running.rooms.CreateRoom(CreateRoomRequest(participants=twice)))
        method = "/acs.rooms.v1.RoomsService/DeleteRoom"
        channel: Any = running.channel
        await failure_of(channel.unary_unary(method)(b"\xff"))
    missing, unchanged, duplicate, malformed = log.lines()
    assert outcome(missing) == ("NOT_FOUND", "ERROR_REASON_ROOM_NOT_FOUND")
    assert (missing["room_id"], missing["attempts"]) == (UNKNOWN_ROOM, 1)
    invalid = ("INVALID_ARGUMENT", "ERROR_REASON_REQUEST_INVALID")
    assert [outcome(each) for each in (unchanged, duplicate, malformed)] == [invalid] * 3
    assert (duplicate["participants"], duplicate["identifier_hashes"]) == (2, [])
    assert (malformed["room_id"], malformed["method"]) == ("", method)


@pytest.mark.proves("S86")
async def test_line_has_the_proof_of_the_caller(log: Log, tmp_path: Path) -> None:
    """A call that is rejected before its request is read has no room."""
    signer, tls = Signer(), Files(tmp_path).write(OURS.issue(), OURS)
    files = PolicyFiles(tmp_path).write(POLICY).write_tokens({"reader": STATIC["reader"]})
    files.write_keys(signer)
    missing = ("NOT_FOUND", "ERROR_REASON_ROOM_NOT_FOUND")
    denied = ("PERMISSION_DENIED", "ERROR_REASON_CALLER_PERMISSION_DENIED")
    unauthenticated = ("UNAUTHENTICATED", "ERROR_REASON_CALLER_UNAUTHENTICATED")
    known, unknown = (named(OURS, uris=[f"urn:{name}"]) for name in ("billing", "canary"))
    socket = f"unix:{tmp_path}/socket"
    # By client certificate, or None over the socket, and by bearer token.
    rows = {
        (known, ""): ("billing", "certificate", missing),
        (unknown, ""): ("", "certificate", denied),
        (None, ""): ("local", "socket", missing),
        (None, signer.token("billing")): ("billing", f"jwt:{ISSUER}", missing),
        (None, signer.token("canary")): ("", f"jwt:{ISSUER}", denied),
        (None, STATIC["reader"]): ("reader", "static_token", denied),
        (known, STATIC["admin"]): ("", "none", unauthenticated),
    }
    async with (
        Emulator() as emulator,
        gateway_for(
            emulator,
            listen=(socket, "127.0.0.1:0"),
            caller_policy=files.policy,
            **tls.settings(mutual=True),
            **log.settings,
        ) as running,
    ):
        address = running.gateway.addresses[1]
        for client, token in rows:
            over = (
                grpc.aio.insecure_channel(socket)
                if client is None
                else channel(address, OURS, client=client)
            )
            async with over:
                request = DeleteRoomRequest(room_id=UNKNOWN_ROOM)
                metadata = tuple(bearer(token)) if token else ()
                stub: Any = rooms_service_pb2_grpc.RoomsServiceStub(over)
                await failure_of(stub.DeleteRoom(request, metadata=metadata))
    for line, (caller, proof, expected) in zip(log.lines(), rows.values(), strict=True):
        assert (line["caller"], line["proof"], outcome(line)) == (caller, proof, expected)
        assert line["room_id"] == (UNKNOWN_ROOM if expected == missing else "")
    assert {line["peer"] for line in log.lines()} == {"unix", "ipv4:127.0.0.1"}
    assert "canary" not in log.path.read_text()


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
async def test_cancelled_call_has_one_line(log: Log, how: str) -> None:
    async with (
        scripted(silence) as upstream,
        gateway_before(upstream.port, **log.settings) as running,
    ):
        call = running.rooms.DeleteRoom(
            DeleteRoomRequest(room_id="1"), timeout=0.3 if how == "deadline" else None
        )
        if how == "cancelled":
            await until(lambda: len(upstream.requests) == 1)
            call.cancel()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await call
        line = await log.line()
    assert len(log.lines()) == 1
    expected = {"cancelled": "CANCELLED", "deadline": "DEADLINE_EXCEEDED"}
    assert (line["code"], line["room_id"], line["attempts"]) == (expected[how], "1", 1)


async def test_call_beyond_the_drain_grace_has_a_line(log: Log) -> None:
    async with scripted(silence) as upstream:
        async with gateway_before(upstream.port, drain_grace=0.0, **log.settings) as running:
            call = running.rooms.DeleteRoom(DeleteRoomRequest(room_id="1"))
            running_call = asyncio.ensure_future(call.code())
            await until(lambda: len(upstream.requests) == 1)
        await running_call
    assert [line["code"] for line in log.lines()] == ["CANCELLED"]


# --- items of a bulk stream -----------------------------------------------------------------------


async def test_items_of_a_stream_have_numbered_lines(log: Log) -> None:
    """The line of the stream follows those of its items."""
    method = rooms_service_pb2.DESCRIPTOR.services_by_name["RoomsService"].methods_by_name[
        "BulkCreateRooms"
    ]

    async def create(request: CreateRoomRequest, call: Call) -> CreateRoomResponse:
        call.attempts += 1
        if len(request.participants) > 1:
            raise RosterFullError("full")
        response = CreateRoomResponse()
        response.room.id = "7"
        return response

    async def serve(requests: list[CreateRoomRequest], stream: Call) -> AsyncIterator[object]:
        for request in requests:
            call = Call("item", math.inf, idempotent=True)
            try:
                yield await stream.audit.item(create, request, call)
            except RosterFullError as error:
                yield error

    async with AuditWriter(log.path) as writer:
        audit = Audit(writer=writer, resource="r", hash_identifier=HashKey(log.key).hash)
        behavior = audit_of(method, audit).around(serve)
        requests = [
            CreateRoomRequest(participants=[Participant(raw_id=each) for each in raw_ids])
            for raw_ids in ((A,), (A, B), ())
        ]
        call = Call("stream", math.inf, idempotent=True, caller="billing", peer="ipv4:10.0.0.7:1")
        results = [each async for each in behavior(requests, call)]
    assert [type(each) for each in results] == [
        *(CreateRoomResponse, RosterFullError, CreateRoomResponse)
    ]
    names = ("item", "code", "room_id", "participants", "request_id", "attempts", "caller", "peer")
    caller = ("billing", "ipv4:10.0.0.7")
    assert [tuple(line[name] for name in names) for line in log.lines()] == [
        (1, "OK", "7", 1, "stream", 1, *caller),
        (2, "FAILED_PRECONDITION", "", 2, "stream", 1, *caller),
        (3, "OK", "7", 0, "stream", 1, *caller),
        (0, "OK", "", 0, "stream", 0, *caller),
    ]
    assert {line["method"] for line in log.lines()} == {
        "/acs.rooms.v1.RoomsService/BulkCreateRooms"
    }


async def test_item_without_an_audit_log_is_only_done() -> None:
    async def delete(_: DeleteRoomRequest, call: Call) -> DeleteRoomResponse:
        call.attempts += 1
        return DeleteRoomResponse()

    call = Call("", math.inf, idempotent=True)
    await call.audit.item(delete, DeleteRoomRequest(room_id="1"), call)
    assert call.attempts == 1
