"""The resource of a call: by metadata, by the caller's policy, by default."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from acs.rooms.v1 import participants_pb2 as participants
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from grpc import StatusCode
from support.gateways import Failed, collect, failure_of, gateway_for
from support.http2 import unary_call
from support.policies import bearer
from support.several_resources import EU, US, requests, several, table

from rooms_emulator import Emulator

ROOM = GetRoomRequest(room_id="99400000000000000")
UNKNOWN = (StatusCode.INVALID_ARGUMENT, "ERROR_REASON_RESOURCE_UNKNOWN")
DENIED = (StatusCode.PERMISSION_DENIED, "ERROR_REASON_CALLER_PERMISSION_DENIED")


def outcome(failed: Failed) -> tuple[StatusCode, str]:
    return failed.code, failed.reason


async def test_metadata_names_the_resource() -> None:
    async with several() as running:
        await running.rooms.CreateRoom(CreateRoomRequest(), metadata=EU)
        await running.rooms.CreateRoom(CreateRoomRequest(), metadata=US)
        await running.rooms.CreateRoom(CreateRoomRequest(), metadata=US)
        assert (requests(running.eu), requests(running.us)) == (1, 2)


HOSTILE = {
    "empty": (("rooms-resource", ""),),
    "unknown": (("rooms-resource", "asia"),),
    "upper case": (("rooms-resource", "EU"),),
    "twice": (*EU, *EU),
    "two": (*EU, *US),
    "with a blank": (("rooms-resource", "e u"),),
    "path": (("rooms-resource", "../eu"),),
    "5 kB": (("rooms-resource", "x" * 5_000),),
}


@pytest.mark.proves("S90")
@pytest.mark.parametrize("metadata", HOSTILE.values(), ids=HOSTILE)
async def test_other_names_are_rejected_unsent(
    metadata: tuple[tuple[str, str], ...],
) -> None:
    """With a default too: what names a resource must name one that exists."""
    async with several(default="eu") as running:
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=metadata))
        assert outcome(failed) == UNKNOWN
        assert len(failed.message) < 200
        assert "resource" not in failed.metadata
        assert requests(running.eu) == requests(running.us) == 0


@pytest.mark.proves("S90")
@pytest.mark.parametrize("value", [b"e\xc3\xbc", b"\xff\xfe", b"eu\x00", b"eu\tus", b"eu,us"])
async def test_bytes_are_no_name(value: bytes) -> None:
    """Metadata that no client library sends: the default never serves such a call."""
    async with several(default="eu") as running:
        host, _, port = running.gateway.addresses[0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        path = "/acs.rooms.v1.RoomsService/GetRoom"
        writer.write(unary_call(path, ROOM, {"rooms-resource": value}))
        received = b""
        async with asyncio.timeout(10):
            # A status, or the reset of a stream.
            while not re.search(rb"grpc-status|\0\0\x04\x03", received) and (
                read := await reader.read(65536)
            ):
                received += read
        writer.close()
        assert requests(running.eu) == requests(running.us) == 0


async def test_large_metadata_is_rejected() -> None:
    """From 8 kB on, grpc rejects a share of such calls itself."""
    async with several(default="eu") as running:
        for _ in range(10):
            call = running.rooms.GetRoom(ROOM, metadata=(("rooms-resource", "x" * 10_000),))
            assert await call.code() in {UNKNOWN[0], StatusCode.RESOURCE_EXHAUSTED}
        assert requests(running.eu) == 0


async def test_streams_are_rejected_alike() -> None:
    async with several() as running:
        listing = running.rooms.ListRooms(ListRoomsRequest(), metadata=HOSTILE["unknown"])
        assert outcome(await failure_of(lambda: collect(listing))) == UNKNOWN


async def test_without_a_name_the_default_serves() -> None:
    async with several(default="us") as running:
        await running.rooms.CreateRoom(CreateRoomRequest())
        assert (requests(running.eu), requests(running.us)) == (0, 1)


async def test_without_a_default_calls_name_one() -> None:
    async with several() as running:
        failed = await failure_of(running.rooms.GetRoom(ROOM))
        assert outcome(failed) == UNKNOWN
        assert "rooms-resource" in failed.message


async def test_a_gateway_without_names_rejects_them(emulator: Emulator) -> None:
    """A call for another resource must not reach the only one."""
    async with gateway_for(emulator) as running:
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=EU))
        assert outcome(failed) == UNKNOWN
        assert not emulator.journal


async def test_errors_name_their_resource() -> None:
    async with several() as running:
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=EU))
        assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
        assert failed.metadata["resource"] == "eu"


# --- page tokens ----------------------------------------------------------------------------------


@pytest.mark.proves("S91")
async def test_page_tokens_belong_to_their_resource() -> None:
    async with several() as running:
        for emulator in (running.eu, running.us):
            emulator.store.seed(31)
        pages = await collect(running.rooms.ListRooms(ListRoomsRequest(), metadata=EU))
        request = ListRoomsRequest(page_token=pages[0].next_page_token)
        assert await collect(running.rooms.ListRooms(request, metadata=EU)) == pages[1:]
        sent = requests(running.us)
        failed = await failure_of(lambda: collect(running.rooms.ListRooms(request, metadata=US)))
        assert failed.reason == "ERROR_REASON_PAGE_TOKEN_INVALID"
        assert requests(running.us) == sent


@pytest.mark.proves("S91")
@pytest.mark.proves("S91")
async def test_roster_tokens_belong_to_their_resource() -> None:
    async with several(Emulator(participants_page_size=2)) as running:
        [room_id] = running.eu.store.seed(1, participants=3)
        listing = running.participants.ListParticipants
        request = participants.ListParticipantsRequest(room_id=room_id)
        pages = await collect(listing(request, metadata=EU))
        request.page_token = pages[0].next_page_token
        failed = await failure_of(lambda: collect(listing(request, metadata=US)))
        assert failed.reason == "ERROR_REASON_PAGE_TOKEN_INVALID"
        assert requests(running.us) == 0


async def test_page_tokens_survive_a_renaming() -> None:
    async with Emulator() as emulator:
        emulator.store.seed(31)
        async with gateway_for(emulator) as unnamed:
            pages = await collect(unnamed.rooms.ListRooms(ListRoomsRequest()))
        request = ListRoomsRequest(page_token=pages[0].next_page_token)
        async with several(more={"other-name": table(emulator)}) as running:
            metadata = (("rooms-resource", "other-name"),)
            assert await collect(running.rooms.ListRooms(request, metadata=metadata)) == pages[1:]


# --- the policy -----------------------------------------------------------------------------------

TOKENS = {name: f"canary-static-{name}-0123456789" for name in ("all", "one", "two", "chosen")}

POLICY = """
tokens-file = "tokens"
[callers.all]
role = "admin"
[callers.one]
role = "admin"
resources = "eu"
[callers.two]
role = "admin"
resources = ["eu", "asia"]
[callers.chosen]
role = "admin"
resources = ["eu", "us"]
default-resource = "us"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()))
    tokens.chmod(0o600)
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


CHOICES = [
    # caller, named, default of the gateway, outcome
    ("all", None, None, UNKNOWN),
    ("all", None, "us", "us"),
    ("all", "eu", "us", "eu"),
    ("all", "asia", "us", UNKNOWN),
    ("one", None, None, "eu"),
    ("one", None, "us", "eu"),
    ("one", "eu", "us", "eu"),
    ("one", "us", "us", DENIED),
    ("one", "nowhere", None, DENIED),
    ("two", None, None, UNKNOWN),
    ("two", None, "eu", "eu"),
    ("two", None, "us", UNKNOWN),
    ("two", "asia", None, UNKNOWN),
    ("chosen", None, None, "us"),
    ("chosen", None, "eu", "us"),
    ("chosen", "eu", None, "eu"),
]


@pytest.mark.proves("S90")
@pytest.mark.parametrize(("caller", "named", "default", "expected"), CHOICES)
async def test_policy_binds_callers_to_resources(
    policy: Path,
    caller: str,
    named: str | None,
    default: str | None,
    expected: str | tuple[StatusCode, str],
) -> None:
    """Names that a bound caller may not use get one error, whether they exist or not."""
    async with several(default=default, caller_policy=policy) as running:
        metadata = (*bearer(TOKENS[caller]), *((("rooms-resource", named),) if named else ()))
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=metadata))
        if isinstance(expected, str):
            assert failed.metadata["resource"] == expected
        else:
            assert outcome(failed) == expected
            assert requests(running.eu) == requests(running.us) == 0


@pytest.mark.proves("S90")
async def test_bound_callers_need_named_resources(policy: Path, emulator: Emulator) -> None:
    async with gateway_for(emulator, caller_policy=policy) as running:
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=bearer(TOKENS["one"])))
        assert outcome(failed) == UNKNOWN
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=bearer(TOKENS["all"])))
        assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
