"""Planted secrets, participants and texts of the upstream: in no log line, metric or span."""

from __future__ import annotations

import base64
import json
import signal
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import participants_pb2, participants_service_pb2_grpc, rooms_service_pb2_grpc
from acs.rooms.v1.participants_pb2 import Participant, UpsertParticipantsRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from support.collectors import get, receiver
from support.commands import started
from support.gateways import collect, failure_of, until
from support.texts import occurrences

from rooms_emulator import Emulator, Fault

KEY = base64.b64encode(b"planted access key").decode()
PERSON = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
STRANGER = "8:acs:planted-resource_planted-person"
PHONE = "4:+15550100123"
TOKEN = "planted-bearer-token"
TEXT = "planted words of the upstream"

CANARIES = (
    *(KEY, "planted", "7288de014884", "363a0d005464", "5550100123", "Bearer", "Signature="),
    *("HMAC", "Traceback"),
)

FAULTS = [
    Fault(status=400, body=json.dumps({"error": {"code": TEXT, "message": f"{TEXT} {PHONE}"}})),
    Fault(status=404, body=json.dumps({"error": {"code": "NotFound", "message": PERSON}})),
    Fault(status=200, body=TEXT),
    Fault(status=403, headers={"MS-CV": TEXT, "Date": TEXT, "WWW-Authenticate": TOKEN}),
    Fault(status=401, headers={"WWW-Authenticate": TEXT}, count=4),
    Fault(status=307, headers={"Location": "http://planted.example/"}),
    Fault(status=500, body=TEXT, count=4),
    Fault(drop="before", count=4),
    Fault(headers={"Content-Encoding": "planted"}),
    Fault(truncate=3, count=4),
    Fault(operation="ListRooms", next_link="https://planted.example/rooms?x=planted"),
    # The last: the gateway paces afterwards.
    Fault(status=429, headers={"Retry-After": TEXT}),
]


async def plant(emulator: Emulator, channel: Any) -> int:
    """Make calls of all outcomes that carry canaries in and out; return their number."""
    [room] = emulator.store.seed(1)
    rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
    participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)
    metadata = [("authorization", f"Bearer {TOKEN}"), ("x-request-id", f"{TOKEN} {PHONE}")]

    def upsert(raw_id: str) -> Any:
        request = UpsertParticipantsRequest(room_id=room, participants=[Participant(raw_id=raw_id)])
        return participants.UpsertParticipants(request, metadata=metadata)

    await rooms.CreateRoom(CreateRoomRequest(participants=[Participant(raw_id=PERSON)]))
    await upsert(PERSON)
    await collect(
        participants.ListParticipants(participants_pb2.ListParticipantsRequest(room_id=room))
    )
    # A list with two rosters, one of which cannot be read.
    emulator.faults.add(
        Fault(operation="ListParticipants", status=400, body=json.dumps({"error": PERSON}))
    )
    await collect(rooms.ListRooms(ListRoomsRequest(include_participants=True), metadata=metadata))
    for rejected in (PHONE, STRANGER):
        await failure_of(upsert(rejected))
    await failure_of(rooms.GetRoom(GetRoomRequest(room_id="planted/../room")))
    for fault in FAULTS:
        emulator.faults.add(fault)
        listing = fault.operation == "ListRooms"
        await failure_of(
            (lambda: collect(rooms.ListRooms(ListRoomsRequest())))
            if listing
            else rooms.GetRoom(GetRoomRequest(room_id=room), metadata=metadata)
        )
        emulator.faults.clear()
    unknown = channel.unary_unary("/planted.Service/Planted")
    assert await unknown(b"").code() is grpc.StatusCode.UNIMPLEMENTED
    return 7 + len(FAULTS)


@pytest.mark.proves("S57", "S58")
@pytest.mark.parametrize(("log_format", "level"), [("json", "debug"), ("console", "info")])
async def test_log_metrics_and_spans_have_no_canary(log_format: str, level: str) -> None:
    """Each call is one log line and one span, and no span has a room id."""
    async with receiver() as received, Emulator(access_key=KEY) as emulator:
        async with (
            started(
                *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--traces"),
                *("--log-format", log_format, "--log-level", level, "--attempt-timeout", "2"),
                *("--max-pacing-wait", "0"),
                env=received.environment
                | {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
            ) as process,
            grpc.aio.insecure_channel(await process.address()) as channel,
        ):
            await until(lambda: "http://127.0.0.1:" in process.err)
            admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
            calls = await plant(emulator, channel)
            paths = ("/metrics", "/readyz", "/planted")
            texts: list[tuple[str, str | bytes]] = [
                (path, (await get(admin, path))[1]) for path in paths
            ]
            # Spans that are left at the shutdown are lost after FLUSH_TIMEOUT.
            await until(lambda: len(received.calls) == calls)
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
        rooms = [room.id for room in emulator.store.rooms_page().items]
    spans = [("span", each.SerializeToString()) for each in received.resources]
    assert len(received.calls) == calls
    assert rooms
    assert occurrences(CANARIES, [*texts, ("log", process.out + process.err), *spans]) == []
    assert occurrences(rooms, spans) == []
    lines = process.err.splitlines()
    if log_format == "json":
        entries = [json.loads(line) for line in lines]
        assert sum(entry["logger"] == "rooms_gateway.calls" for entry in entries) == calls
        requests = sum(entry["logger"] == "rooms_gateway.requests" for entry in entries)
    else:
        assert sum(" INFO rooms_gateway.calls " in line for line in lines) == calls
        requests = sum(" DEBUG rooms_gateway.requests " in line for line in lines)
    # All but the one that breaks a rule.
    assert requests == (calls - 1 if level == "debug" else 0)
    if level == "debug":
        assert 'participants { raw_id: "[REDACTED]" }' in process.err.replace("\\", "")
