"""Planted secrets, people and words of others: never in a log line, a metric or a probe."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import participants_pb2, participants_pb2_grpc, rooms_pb2_grpc
from acs.rooms.v1.participants_pb2 import Participant, UpsertParticipantsRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from google.protobuf.message import Message
from support.collectors import get, receiver
from support.commands import started
from support.gateways import ONE_OF_EACH, collect, failure_of, until

from rooms_emulator import Emulator, Fault, preset
from rooms_emulator.faults.presets import PRESETS

KEY = base64.b64encode(b"planted access key").decode()
PERSON = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
STRANGER = "8:acs:planted-resource_planted-person"
PHONE = "4:+15550100123"
TOKEN = "planted-bearer-token"
TEXT = "planted words of the service"

CANARIES = (
    *(KEY, "planted", "7288de014884", "363a0d005464", "5550100123", "Bearer", "Signature="),
    *("HMAC", "Traceback"),
)

FAULTS = [
    Fault(status=400, body=json.dumps({"error": {"code": TEXT, "message": f"{TEXT} {PHONE}"}})),
    Fault(status=404, body=json.dumps({"error": {"code": "NotFound", "message": PERSON}})),
    Fault(status=200, body=TEXT),
    Fault(status=403, headers={"MS-CV": TEXT, "Date": TEXT, "WWW-Authenticate": TOKEN}),
    Fault(status=429, headers={"Retry-After": TEXT}, count=4),
    Fault(status=401, headers={"WWW-Authenticate": TEXT}, count=4),
    Fault(status=307, headers={"Location": "http://planted.example/"}),
    Fault(status=500, body=TEXT, count=4),
    Fault(drop="before", count=4),
    Fault(headers={"Content-Encoding": "planted"}),
    Fault(truncate=3, count=4),
    Fault(operation="ListRooms", next_link="https://planted.example/rooms?x=planted"),
]


async def plant(emulator: Emulator, channel: Any) -> int:
    """Make calls that carry canaries in and out, of all outcomes, and say how many."""
    [room] = emulator.store.seed(1)
    rooms = rooms_pb2_grpc.RoomsServiceStub(channel)
    people = participants_pb2_grpc.ParticipantsServiceStub(channel)
    metadata = [("authorization", f"Bearer {TOKEN}"), ("x-request-id", f"{TOKEN} {PHONE}")]

    def upsert(raw_id: str) -> Any:
        request = UpsertParticipantsRequest(room_id=room, participants=[Participant(raw_id=raw_id)])
        return people.UpsertParticipants(request, metadata=metadata)

    await rooms.CreateRoom(CreateRoomRequest(participants=[Participant(raw_id=PERSON)]))
    await upsert(PERSON)
    await collect(people.ListParticipants(participants_pb2.ListParticipantsRequest(room_id=room)))
    for refused in (PHONE, STRANGER):
        await failure_of(upsert(refused))
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
    return 6 + len(FAULTS)


@pytest.mark.proves("S57")
@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_log_and_metrics_have_no_canary(log_format: str, level: str) -> None:
    async with (
        Emulator(access_key=KEY) as emulator,
        started(
            *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--log-format", log_format, "--log-level", level, "--attempt-timeout", "2"),
            env={"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
        ) as process,
        grpc.aio.insecure_channel(await process.address()) as channel,
    ):
        await until(lambda: "http://127.0.0.1:" in process.err)
        admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        calls = await plant(emulator, channel)
        shown = [await get(admin, path) for path in ("/metrics", "/readyz", "/planted")]
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    written = process.out + process.err + "".join(text for _, text in shown)
    assert [canary for canary in CANARIES if canary in written] == []
    lines = process.err.splitlines()
    if log_format == "json":
        entries = [json.loads(line) for line in lines]
        assert sum(entry["logger"] == "rooms_gateway.calls" for entry in entries) == calls
        requested = sum(entry["logger"] == "rooms_gateway.requests" for entry in entries)
    else:
        assert sum(" INFO rooms_gateway.calls " in line for line in lines) == calls
        requested = sum(" DEBUG rooms_gateway.requests " in line for line in lines)
    # All but the one that breaks a rule.
    assert requested == (calls - 1 if level == "debug" else 0)
    if level == "debug":
        assert 'participants { raw_id: "[REDACTED]" }' in process.err.replace("\\", "")


@pytest.mark.proves("S58")
async def test_spans_have_no_canary_and_no_room_id() -> None:
    async with receiver() as received, Emulator(access_key=KEY) as emulator:
        async with (
            started(
                *("serve", "--listen", "127.0.0.1:0", "--attempt-timeout", "2", "--traces"),
                env=received.environment
                | {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
            ) as process,
            grpc.aio.insecure_channel(await process.address()) as channel,
        ):
            calls = await plant(emulator, channel)
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
        rooms = [room.id for room in emulator.store.rooms_page().items]
    sent = b"".join(each.SerializeToString() for each in received.resources)
    assert len(received.calls) == calls
    assert rooms
    assert [canary for canary in (*CANARIES, *rooms) if canary.encode() in sent] == []


async def call_all(channel: Any, room: str) -> str:
    """Make every call at once, each with canaries in it; return all that failures tell."""
    metadata = [("authorization", f"Bearer {TOKEN}"), ("x-planted", f"{TOKEN} {PHONE}")]

    async def call(template: Message) -> str:
        request = type(template).FromString(template.SerializeToString())
        fields = request.DESCRIPTOR.fields_by_name
        if "room_id" in fields:
            request.room_id = room  # type: ignore[attr-defined] # of messages in general
        for name in ("participants", "upsert"):
            if name in fields:
                getattr(request, name).append(Participant(raw_id=PERSON))
        service = (
            rooms_pb2_grpc.RoomsServiceStub(channel)
            if hasattr(rooms_pb2_grpc.RoomsServiceStub(channel), _rpc(request))
            else participants_pb2_grpc.ParticipantsServiceStub(channel)
        )
        made = getattr(service, _rpc(request))(request, metadata=metadata, timeout=5)
        try:
            await (collect(made) if _rpc(request).startswith("List") else made)
        except grpc.aio.AioRpcError as error:
            return f"{error.details()} {error.trailing_metadata()}"
        return ""

    return " ".join(await asyncio.gather(*map(call, ONE_OF_EACH)))


def _rpc(request: Message) -> str:
    return type(request).__name__.removesuffix("Request")


@pytest.mark.proves("S34", "S57")
async def test_no_upstream_fault_leaks_in_any_call() -> None:
    told = ""
    async with receiver() as received, Emulator(access_key=KEY, fault_seed=7) as emulator:
        async with (
            started(
                *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--traces"),
                *("--log-format", "json", "--log-level", "debug", "--attempt-timeout", "0.3"),
                *("--max-attempts", "2"),
                env=received.environment
                | {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
            ) as process,
            grpc.aio.insecure_channel(await process.address()) as channel,
        ):
            await until(lambda: "http://127.0.0.1:" in process.err)
            admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
            for name in PRESETS:
                [room] = emulator.store.seed(1)
                # As many as there are calls; the last of all, as new keys stay.
                limited = PRESETS[name].get("count", 1) is not None
                emulator.faults.add(
                    preset(name, count=len(ONE_OF_EACH)) if limited else preset(name)
                )
                told += await call_all(channel, room)
                emulator.faults.clear()
            told += (await get(admin, "/metrics"))[1]
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
        told += process.out + process.err
    told += "".join(str(each.SerializeToString()) for each in received.resources)
    assert len(received.calls) == len(PRESETS) * len(ONE_OF_EACH)
    assert [canary for canary in CANARIES if canary in told] == []
