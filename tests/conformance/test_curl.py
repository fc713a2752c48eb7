"""buf curl and grpcurl, with server reflection only."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo, ResourceInfo
from support.commands import Finished, run
from support.samples import user
from support.tools import GRPCURL

from rooms_gateway.app import Gateway

BUF = Path(sys.executable).with_name("buf")

ROOMS = "acs.rooms.v1.RoomsService"
PARTICIPANTS = "acs.rooms.v1.ParticipantsService"
JOIN = "acs.rooms.v1.JoinService"
IDENTITY = "acs.identity.v1.IdentityService"
NOT_FOUND = 5

needs_grpcurl = pytest.mark.needs("grpcurl")


class Tool(Protocol):
    """Command that calls a method by name, with a JSON request."""

    async def __call__(self, method: str, request: str) -> Finished: ...


def buf(*where: str) -> Tool:
    """Call with buf curl; `where` ends with the origin."""
    *flags, origin = where

    async def call(method: str, request: str) -> Finished:
        return await run(
            *("curl", "--http2-prior-knowledge", "--protocol", "grpc", *flags),
            *("-d", request, f"{origin}/{method}"),
            program=str(BUF),
        )

    return call


def grpcurl(address: str) -> Tool:
    """Call with grpcurl."""

    async def call(method: str, request: str) -> Finished:
        return await run("-plaintext", "-d", request, address, method, program=str(GRPCURL))

    return call


def tools(gateway: Gateway) -> dict[str, Tool]:
    port, socket = gateway.addresses
    path = socket.removeprefix("unix:")
    return {
        "buf": buf(f"http://{port}"),
        "buf on a socket": buf("--unix-socket", path, "http://localhost"),
        "grpcurl": grpcurl(port),
        "grpcurl on a socket": grpcurl(f"unix://{path}"),
    }


with_every_tool = pytest.mark.parametrize(
    "tool",
    [
        "buf",
        "buf on a socket",
        pytest.param("grpcurl", marks=needs_grpcurl),
        pytest.param("grpcurl on a socket", marks=needs_grpcurl),
    ],
)


def messages(text: str) -> Iterator[dict[str, Any]]:
    """Parse concatenated JSON objects."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        message, end = decoder.raw_decode(rest)
        yield message
        rest = rest[end:].strip()


@with_every_tool
async def test_rooms_walk(gateway: Gateway, tool: str) -> None:
    """Create, get, update, participants, lists and delete."""
    call = tools(gateway)[tool]

    async def invoke(method: str, **request: Any) -> list[dict[str, Any]]:
        done = await call(method, json.dumps(request))
        assert (done.code, done.err) == (0, "")
        return list(messages(done.out))

    participants = [
        {"rawId": user(number), "role": "PARTICIPANT_ROLE_PRESENTER"} for number in range(3)
    ]
    [created] = await invoke(f"{ROOMS}/CreateRoom", participants=participants[:1])
    room = created["room"]["id"]
    assert await invoke(f"{ROOMS}/GetRoom", roomId=room) == [created]
    [updated] = await invoke(f"{ROOMS}/UpdateRoom", roomId=room, pstnDialOutEnabled=True)
    assert updated["room"]["pstnDialOutEnabled"] is True
    await invoke(f"{PARTICIPANTS}/UpsertParticipants", roomId=room, participants=participants[1:2])
    await invoke(
        f"{PARTICIPANTS}/UpdateParticipants",
        roomId=room,
        participants=participants[2:],
        remove_raw_ids=[participants[0]["rawId"]],
    )
    await invoke(
        f"{PARTICIPANTS}/RemoveParticipants", roomId=room, removeRawIds=[participants[1]["rawId"]]
    )
    last = participants[2] | {"identifier": {"communicationUser": {"id": participants[2]["rawId"]}}}
    assert await invoke(f"{PARTICIPANTS}/ListParticipants", roomId=room) == [
        {"participants": [last]}
    ]

    assert gateway.emulator is not None
    gateway.emulator.store.seed(69)
    pages = await invoke(f"{ROOMS}/ListRooms")
    assert [len(page["rooms"]) for page in pages] == [30, 30, 10]
    [first] = await invoke(f"{ROOMS}/ListRooms", maxPages=1)
    assert first == pages[0]
    rest = await invoke(f"{ROOMS}/ListRooms", pageToken=first["nextPageToken"])
    assert rest == pages[1:]
    assert await invoke(f"{ROOMS}/DeleteRoom", roomId=room) == [{}]


@with_every_tool
async def test_join_walk(gateway: Gateway, tool: str) -> None:
    """The quickstart: users, a room with both as guests, roster, explained join, the end."""
    call = tools(gateway)[tool]

    async def invoke(method: str, **request: Any) -> dict[str, Any]:
        done = await call(method, json.dumps(request))
        assert (done.code, done.err) == (0, "")
        [message] = messages(done.out)
        return message

    users = [(await invoke(f"{IDENTITY}/CreateUser"))["user"]["rawId"] for _ in range(2)]
    guests = [{"rawId": raw_id} for raw_id in users]
    created = await invoke(f"{JOIN}/CreateRoomWithGuests", guests=guests)
    assert [each["participant"]["rawId"] for each in created["results"]] == users
    assert all(each["accessToken"]["token"] for each in created["results"])
    room = created["room"]["id"]
    listed = await invoke(f"{PARTICIPANTS}/ListParticipants", roomId=room)
    assert [each["rawId"] for each in listed["participants"]] == users
    for raw_id, obstacles in ((users[0], 0), (user(1), 1)):
        explained = await invoke(f"{JOIN}/ExplainJoin", roomId=room, rawId=raw_id)
        assert len(explained.get("obstacles", [])) == obstacles
    await invoke(f"{PARTICIPANTS}/RemoveParticipants", roomId=room, removeRawIds=users[:1])
    await invoke(f"{ROOMS}/DeleteRoom", roomId=room)


@pytest.mark.parametrize("tool", ["buf", "buf on a socket"])
async def test_buf_curl_prints_the_status_details(gateway: Gateway, tool: str) -> None:
    done = await tools(gateway)[tool](f"{ROOMS}/GetRoom", '{"roomId": "99400000000000000"}')
    assert done.code == 8 * NOT_FOUND
    error = json.loads(done.err)
    assert error["code"] == "not_found"
    details = {detail["type"]: detail["value"] for detail in error["details"]}
    info = ErrorInfo.FromString(_base64(details["google.rpc.ErrorInfo"]))
    assert (info.reason, info.domain) == (
        "ERROR_REASON_ROOM_NOT_FOUND",
        "rooms-gateway.github.io",
    )
    resource = ResourceInfo.FromString(_base64(details["google.rpc.ResourceInfo"]))
    assert resource.resource_name == "99400000000000000"
    assert RequestInfo.FromString(_base64(details["google.rpc.RequestInfo"])).request_id


def _base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


@needs_grpcurl
@pytest.mark.parametrize("tool", ["grpcurl", "grpcurl on a socket"])
async def test_grpcurl_decodes_the_status_details(gateway: Gateway, tool: str) -> None:
    done = await tools(gateway)[tool](
        f"{ROOMS}/CreateRoom", '{"validUntil": "2001-01-01T00:00:00Z"}'
    )
    assert done.code == 64 + 3
    assert "Code: InvalidArgument" in done.err
    details = [
        next(messages(block[block.index("{") :]))
        for block in re.split(r"^\s*\d+\)", done.err, flags=re.MULTILINE)[1:]
    ]
    by_type = {detail.pop("@type").rpartition(".")[2]: detail for detail in details}
    assert by_type["ErrorInfo"]["reason"] == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    [violations] = [value for name, value in by_type["BadRequest"].items() if name != "@type"]
    assert [violation["field"] for violation in violations] == ["valid_until"]


@pytest.mark.parametrize("which", [0, 1], ids=["tcp", "unix"])
@needs_grpcurl
async def test_grpcurl_lists_every_service_and_method(gateway: Gateway, which: int) -> None:
    address = gateway.addresses[which].replace("unix:", "unix://")
    done = await run("-plaintext", address, "list", program=str(GRPCURL))
    assert done.out.split() == [
        IDENTITY,
        JOIN,
        PARTICIPANTS,
        ROOMS,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    done = await run("-plaintext", address, "list", ROOMS, program=str(GRPCURL))
    bulk = ["BulkCreateRooms", "BulkDeleteRooms"]
    names = [*bulk, "CreateRoom", "DeleteRoom", "GetRoom", "ListRooms", "UpdateRoom"]
    assert done.out.split() == [f"{ROOMS}.{name}" for name in names]


@needs_grpcurl
@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        (ROOMS, "// CreateRoom creates a room, optionally with participants on its roster."),
        (f"{PARTICIPANTS}.ListParticipants", "returns ( stream .acs.rooms.v1.ListP"),
        ("acs.rooms.v1.Participant", "// raw_id is the communication identifier as text"),
        ("acs.rooms.v1.ErrorReason", "// ERROR_REASON_THROTTLED: the Rooms service throttles"),
        ("google.rpc.ErrorInfo", "map<string, string> metadata = 3;"),
        ("google.rpc.BadRequest", "repeated .google.rpc.BadRequest.FieldViolation"),
        ("grpc.health.v1.Health", "rpc Watch"),
        ("grpc.reflection.v1.ServerReflection", "rpc ServerReflectionInfo"),
    ],
)
async def test_grpcurl_describes_symbols_with_comments(
    gateway: Gateway, symbol: str, text: str
) -> None:
    done = await run("-plaintext", gateway.addresses[0], "describe", symbol, program=str(GRPCURL))
    assert (done.code, done.err) == (0, "")
    assert text in done.out


async def test_buf_curl_lists_every_service_and_method(gateway: Gateway) -> None:
    origin = f"http://{gateway.addresses[0]}"
    flags = ("curl", "--http2-prior-knowledge", "--protocol", "grpc")
    services = await run(*flags, "--list-services", origin, program=str(BUF))
    assert {IDENTITY, JOIN, PARTICIPANTS, ROOMS} <= set(services.out.split())
    methods = await run(*flags, "--list-methods", origin, program=str(BUF))
    assert f"{ROOMS}/CreateRoom" in methods.out.split()
    assert f"{PARTICIPANTS}/ListParticipants" in methods.out.split()
    assert f"{JOIN}/CreateRoomWithGuests" in methods.out.split()
    assert f"{IDENTITY}/CreateUser" in methods.out.split()


@needs_grpcurl
async def test_grpcurl_checks_the_health(gateway: Gateway) -> None:
    done = await grpcurl(gateway.addresses[0])(
        "grpc.health.v1.Health/Check", json.dumps({"service": ROOMS})
    )
    assert list(messages(done.out)) == [{"status": "SERVING"}]
