"""A real gateway in front of a real emulator, for tests that call it as its users do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
import pytest
from acs.rooms.v1 import participants_pb2_grpc, rooms_pb2_grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from gateway.app import Gateway
from gateway.emulator import Emulator
from gateway.endpoint import parse_connection_string
from gateway.settings import Settings, Upstream

if TYPE_CHECKING:
    from acs.rooms.v1.participants_pb2_grpc import ParticipantsServiceAsyncStub
    from acs.rooms.v1.rooms_pb2_grpc import RoomsServiceAsyncStub

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves, the emulator behind it, and a client's stubs."""

    gateway: Gateway
    emulator: Emulator
    channel: grpc.aio.Channel
    rooms: RoomsServiceAsyncStub
    participants: ParticipantsServiceAsyncStub

    def requests(self, operation: str | None = None) -> int:
        """Count what the emulator was asked, all in all or of one operation."""
        return sum(operation in (None, entry.operation) for entry in self.emulator.journal)


def upstream_of(emulator: Emulator) -> Upstream:
    """Say how to reach `emulator` with its key."""
    return Upstream(*parse_connection_string(emulator.connection_string))


@asynccontextmanager
async def gateway_before(emulator: Emulator, **settings: Any) -> AsyncIterator[Running]:
    """Run a gateway in front of `emulator` on a free port."""
    chosen = {"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", **settings}
    async with (
        Gateway(Settings(upstream=upstream_of(emulator), **chosen)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        yield Running(
            gateway,
            emulator,
            channel,
            rooms_pb2_grpc.RoomsServiceStub(channel),
            participants_pb2_grpc.ParticipantsServiceStub(channel),
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


async def failure_of(call: Awaitable[object] | Callable[[], Awaitable[object]]) -> Failed:
    """Await a call that must fail, and return how it did."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (call if isinstance(call, Awaitable) else call())
    return read_failure(raised.value)
