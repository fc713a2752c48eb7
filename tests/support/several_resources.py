"""A gateway with named resources, each in front of an emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from acs.identity.v1 import identity_service_pb2_grpc
from acs.rooms.v1 import (
    join_service_pb2_grpc,
    participants_service_pb2_grpc,
    rooms_service_pb2_grpc,
)

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway
from rooms_gateway.cli.serve.options import SETTINGS
from rooms_gateway.resources.manager import ResourceManager
from rooms_gateway.settings import Resources
from rooms_gateway.settings.resource_tables import make_resources
from support.gateways import settings

if TYPE_CHECKING:
    from acs.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from acs.rooms.v1.join_service_pb2_grpc import JoinServiceAsyncStub
    from acs.rooms.v1.participants_service_pb2_grpc import ParticipantsServiceAsyncStub
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub

EU, US = (("rooms-resource", "eu"),), (("rooms-resource", "us"),)
"""Metadata of calls."""

DEFAULTS = {each.name: each.default for each in SETTINGS}


@dataclass(frozen=True, slots=True)
class Several:
    """A gateway that serves, and the emulators behind it."""

    gateway: Gateway
    eu: Emulator
    us: Emulator
    channel: grpc.aio.Channel
    rooms: RoomsServiceAsyncStub
    participants: ParticipantsServiceAsyncStub
    identity: IdentityServiceAsyncStub
    join: JoinServiceAsyncStub

    @property
    def manager(self) -> ResourceManager:
        assert self.gateway.resources is not None
        return self.gateway.resources


def requests(emulator: Emulator) -> int:
    """Count the requests of calls, without those of probes."""
    return sum("/rooms/0?" not in entry.target for entry in emulator.journal)


def resources(
    tables: Mapping[str, Mapping[str, Any]], default: str | None = None, **top: Any
) -> Resources:
    """Return the resources of these tables, with names of fields as keys."""
    return make_resources(tables, DEFAULTS | {"default_resource": default} | top)


def table(emulator: Emulator, **others: Any) -> dict[str, Any]:
    """Return the table of a resource in front of an emulator."""
    return {"connection_string": emulator.connection_string, **others}


@asynccontextmanager
async def several(
    eu: Emulator | None = None,
    us: Emulator | None = None,
    *,
    default: str | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    tables: Mapping[str, Mapping[str, Any]] | None = None,
    read: Callable[[], Resources] | None = None,
    **others: Any,
) -> AsyncIterator[Several]:
    """Run a gateway with the resources `eu` and `us` on a free port.

    `more` are further tables, `tables` replace all of them.
    """
    async with AsyncExitStack() as parts:
        one = await parts.enter_async_context(eu or Emulator())
        two = await parts.enter_async_context(us or Emulator())
        both = {"eu": table(one), "us": table(two), **(more or {})}
        chosen = settings(None, resources=resources(tables or both, default), **others)
        gateway = await parts.enter_async_context(Gateway(chosen, read_resources=read))
        channel = await parts.enter_async_context(grpc.aio.insecure_channel(gateway.addresses[0]))
        yield Several(
            gateway,
            one,
            two,
            channel,
            rooms_service_pb2_grpc.RoomsServiceStub(channel),
            participants_service_pb2_grpc.ParticipantsServiceStub(channel),
            identity_service_pb2_grpc.IdentityServiceStub(channel),
            join_service_pb2_grpc.JoinServiceStub(channel),
        )
