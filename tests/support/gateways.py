"""Gateways in front of real emulators, and clients of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import grpc
import pytest
from acs.identity.v1 import identity_service_pb2_grpc, users_pb2
from acs.rooms.v1 import (
    join_pb2,
    join_service_pb2_grpc,
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rooms_emulator import Emulator, JournalEntry
from rooms_gateway.app import Gateway
from rooms_gateway.server.kind import ServerKind
from rooms_gateway.services.convert.identifiers import from_raw_id
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.upstream.credentials import Credential
from rooms_gateway.upstream.endpoint import parse_connection_string
from support.http2 import WINDOW_OF_0, unary_call
from support.samples import user

if TYPE_CHECKING:
    from acs.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from acs.rooms.v1.join_service_pb2_grpc import JoinServiceAsyncStub
    from acs.rooms.v1.participants_service_pb2_grpc import ParticipantsServiceAsyncStub
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub


Detail = TypeVar("Detail", bound=Message)
Item = TypeVar("Item")

SERVER = ServerKind(os.environ.get("ROOMS_GATEWAY_SERVER", ServerKind.LOOP))
"""The gRPC server of the gateways under test."""

only_loop = pytest.mark.skipif(SERVER is not ServerKind.LOOP, reason="of the server in the loop")
only_grpc = pytest.mark.skipif(SERVER is not ServerKind.GRPC, reason="of grpcio's server")

HANDLERS = frozenset({"_handle_exceptions", "_serve"})
"""The coroutines in which the two servers run handlers."""

UNKNOWN_ROOM = "99400000000000000"
"""Named like a room, but an emulator never makes it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves, the emulator behind it, and a client's stubs."""

    gateway: Gateway
    emulator: Emulator
    channel: grpc.aio.Channel
    rooms: RoomsServiceAsyncStub
    participants: ParticipantsServiceAsyncStub
    identity: IdentityServiceAsyncStub
    join: JoinServiceAsyncStub

    @property
    def resource(self) -> str:
        """Return the identity of the resource, which its page tokens carry."""
        return self.emulator.endpoint.removeprefix("http://")

    def requests(self, operation: str | None = None) -> int:
        """Count what the emulator was asked, all in all or of one operation."""
        return sum(operation in (None, entry.operation) for entry in self.emulator.journal)

    def last(self) -> JournalEntry:
        """Return the latest request that the emulator got."""
        return list(self.emulator.journal)[-1]

    def sent(self) -> Any:
        """Return the JSON body of the latest request that the emulator got."""
        return json.loads(self.last().body)


def upstream_of(emulator: Emulator) -> Upstream:
    """Say how to reach `emulator` with its key."""
    return Upstream.with_key(*parse_connection_string(emulator.connection_string))


def settings(upstream: Upstream | None = None, **others: Any) -> Settings:
    """Make the settings of a gateway on a free port."""
    return Settings(
        upstream=upstream,
        **{"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", "server": SERVER, **others},
    )


@asynccontextmanager
async def gateway_for(
    emulator: Emulator,
    upstream: Upstream | None = None,
    credential: Credential | None = None,
    **others: Any,
) -> AsyncIterator[Running]:
    """Run a gateway in front of `emulator` on a free port, with its key unless told otherwise."""
    chosen = settings(upstream or upstream_of(emulator), **others)
    async with (
        Gateway(chosen, credential) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        yield Running(
            gateway,
            emulator,
            channel,
            rooms_service_pb2_grpc.RoomsServiceStub(channel),
            participants_service_pb2_grpc.ParticipantsServiceStub(channel),
            identity_service_pb2_grpc.IdentityServiceStub(channel),
            join_service_pb2_grpc.JoinServiceStub(channel),
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """How a call failed: the status and its details, decoded."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    status: Status

    def detail(self, kind: type[Detail]) -> Detail | None:
        """Return the detail of a type, None if there is none."""
        for packed in self.status.details:
            found = kind()
            if packed.Unpack(found):
                return found
        return None

    @property
    def violations(self) -> dict[str, str]:
        """Field to description, of BadRequest."""
        found = self.detail(error_details_pb2.BadRequest)
        return {item.field: item.description for item in found.field_violations} if found else {}


def read_failure(error: grpc.aio.AioRpcError) -> Failed:
    """Decode the details of a failed call."""
    trailers = dict(cast("Iterable[tuple[str, bytes]]", error.trailing_metadata()))
    status = Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    return Failed(error.code(), error.details() or "", info.reason, dict(info.metadata), status)


def pushback(error: grpc.aio.AioRpcError) -> str | bytes | None:
    trailers = dict(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata()))
    return trailers.get("grpc-retry-pushback-ms")


async def failure_of(call: Awaitable[object] | Callable[[], Awaitable[object]]) -> Failed:
    """Await a call that must fail, and return how it did."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (call if isinstance(call, Awaitable) else call())
    return read_failure(raised.value)


@contextmanager
def gateway_for_examples(
    emulator: Emulator | None = None, **others: Any
) -> Iterator[tuple[asyncio.Runner, Running]]:
    """Run one gateway, in a loop of its own, for the many examples of a synchronous test."""
    with asyncio.Runner() as runner:
        parts = AsyncExitStack()

        async def start() -> Running:
            behind = await parts.enter_async_context(emulator or Emulator())
            return await parts.enter_async_context(gateway_for(behind, **others))

        try:
            yield runner, runner.run(start())
        finally:
            runner.run(parts.aclose())


async def collect(items: AsyncIterable[Item]) -> list[Item]:
    """Read a stream to its end."""
    return [item async for item in items]


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return as soon as `condition` holds; fail if it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Stubs(Protocol):
    """The stubs of a gateway."""

    @property
    def rooms(self) -> Any: ...

    @property
    def participants(self) -> Any: ...

    @property
    def join(self) -> Any: ...

    @property
    def identity(self) -> Any: ...


async def send(running: Stubs, request: Message) -> None:
    """Make the call that `request` is for, and read its answer to the end."""
    name = type(request).__name__.removesuffix("Request")
    stubs = (running.rooms, running.participants, running.join, running.identity)
    stub = next(each for each in stubs if hasattr(each, name))
    call = getattr(stub, name)(request)
    await (collect(call) if name.startswith("List") else call)


def by_raw_id(pages: Iterable[participants_pb2.ListParticipantsResponse]) -> list[Participant]:
    """Return the people on some pages without their typed identifiers, once these are checked."""
    people = []
    for page in pages:
        for person in page.participants:
            assert person.identifier == from_raw_id(person.raw_id)
            bare = Participant()
            bare.CopyFrom(person)
            bare.ClearField("identifier")
            people.append(bare)
    return people


A_UUID = "99c0b1e0-4be6-4d4f-a52d-55bd9ee4ff04"

ONE_OF_EACH: tuple[Message, ...] = (
    rooms_pb2.CreateRoomRequest(),
    rooms_pb2.GetRoomRequest(room_id=UNKNOWN_ROOM),
    rooms_pb2.UpdateRoomRequest(room_id=UNKNOWN_ROOM, pstn_dial_out_enabled=True),
    rooms_pb2.DeleteRoomRequest(room_id=UNKNOWN_ROOM),
    rooms_pb2.ListRoomsRequest(),
    participants_pb2.UpsertParticipantsRequest(
        room_id=UNKNOWN_ROOM, participants=[participants_pb2.Participant(raw_id=user(0))]
    ),
    participants_pb2.RemoveParticipantsRequest(room_id=UNKNOWN_ROOM, remove_raw_ids=[user(0)]),
    participants_pb2.UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove_raw_ids=[user(0)]),
    participants_pb2.ListParticipantsRequest(room_id=UNKNOWN_ROOM),
    users_pb2.CreateUserRequest(),
    users_pb2.IssueTokenRequest(user=users_pb2.User(raw_id=user(0))),
    users_pb2.RevokeTokensRequest(user=users_pb2.User(raw_id=user(0))),
    users_pb2.DeleteUserRequest(user=users_pb2.User(raw_id=user(0))),
    users_pb2.ExchangeTeamsUserTokenRequest(teams_token="token", app_id=A_UUID, user_id=A_UUID),
)
"""A valid request for every RPC that sends one REST request; they name UNKNOWN_ROOM and user 0."""

JOIN_REQUESTS: tuple[Message, ...] = (
    join_pb2.AdmitParticipantsRequest(
        room_id=UNKNOWN_ROOM, guests=[join_pb2.Guest(raw_id=user(0))]
    ),
    join_pb2.CreateRoomWithGuestsRequest(guests=[join_pb2.Guest(raw_id=user(0))]),
    join_pb2.ExplainJoinRequest(room_id=UNKNOWN_ROOM, raw_id=user(0)),
)
"""A valid request for every RPC that sends several REST requests."""

ROOM_REQUESTS: tuple[Callable[[str], Message], ...] = (
    lambda room_id: rooms_pb2.GetRoomRequest(room_id=room_id),
    lambda room_id: rooms_pb2.UpdateRoomRequest(room_id=room_id, pstn_dial_out_enabled=True),
    lambda room_id: rooms_pb2.DeleteRoomRequest(room_id=room_id),
    lambda room_id: participants_pb2.UpsertParticipantsRequest(
        room_id=room_id, participants=[participants_pb2.Participant(raw_id=user(0))]
    ),
    lambda room_id: participants_pb2.RemoveParticipantsRequest(
        room_id=room_id, remove_raw_ids=["x"]
    ),
    lambda room_id: participants_pb2.UpdateParticipantsRequest(
        room_id=room_id, remove_raw_ids=["x"]
    ),
    lambda room_id: participants_pb2.SyncParticipantsRequest(room_id=room_id),
    lambda room_id: participants_pb2.ListParticipantsRequest(room_id=room_id),
    lambda room_id: join_pb2.AdmitParticipantsRequest(
        room_id=room_id, guests=[join_pb2.Guest(raw_id=user(0))]
    ),
    lambda room_id: join_pb2.ExplainJoinRequest(room_id=room_id, raw_id="x"),
)
"""Every request that names a room, of the room's id."""


SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

LONG_GRACE = 60.0
"""A grace so long that a stop which waits for it fails the test."""


def health_of(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def status_of(channel: grpc.aio.Channel, name: str = "") -> int:
    answer = await health_of(channel).Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


async def create_through(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        return (await stub.CreateRoom(CreateRoomRequest())).room.id


@asynccontextmanager
async def stalled_watcher(address: str) -> AsyncIterator[None]:
    """Watch the health of the gateway as a whole, without reading a response."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    watch = "/grpc.health.v1.Health/Watch"
    writer.write(unary_call(watch, health_pb2.HealthCheckRequest(), settings=WINDOW_OF_0))
    # The headers arrive; the message cannot, since the window of the stream is 0.
    received = b""
    while b"application/grpc" not in received:
        received += await reader.read(1000)
    yield
    writer.close()
