"""A gateway that retries without waiting; policy, budget, clock and sleep are parameters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from acs.identity.v1 import identity_service_pb2_grpc
from acs.rooms.v1 import (
    join_service_pb2_grpc,
    participants_service_pb2_grpc,
    rooms_service_pb2_grpc,
)

from rooms_gateway.resources.connection import MAX_RESPONSE_BYTES
from rooms_gateway.server.admission import Admission, ConcurrencyLimiter, Limits
from rooms_gateway.server.assembly import (
    IDENTITY_SERVICE,
    JOIN_SERVICE,
    PARTICIPANTS_SERVICE,
    ROOMS_SERVICE,
    Servicers,
    add_service,
)
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.calls.status import to_item_error
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.guests import GuestAdmission
from rooms_gateway.services.identity import IdentityServicer
from rooms_gateway.services.join import JoinServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.credentials import make_credential
from rooms_gateway.upstream.identity_api import IdentityApi
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.pacing.pacer import make_pacers
from rooms_gateway.upstream.transport.sender import RetryBudget, RetryPolicy, Sender
from rooms_gateway.upstream.versions import (
    API_VERSIONS,
    DEFAULT_API_VERSION,
    DEFAULT_IDENTITY_API_VERSION,
)

if TYPE_CHECKING:
    from acs.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from acs.rooms.v1.join_service_pb2_grpc import JoinServiceAsyncStub
    from acs.rooms.v1.participants_service_pb2_grpc import ParticipantsServiceAsyncStub
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub


@dataclass(frozen=True, slots=True)
class Quick:
    """Its address, stubs and sender, and the waits that it skipped."""

    address: str
    rooms: RoomsServiceAsyncStub
    participants: ParticipantsServiceAsyncStub
    identity: IdentityServiceAsyncStub
    join: JoinServiceAsyncStub
    transport: Sender
    slept: list[float] = field(default_factory=list)


def roomy() -> Admission:
    """Return an admission with more slots than any test uses."""
    return Admission(
        ConcurrencyLimiter("calls", Limits(1000)), ConcurrencyLimiter("streams", Limits(1000))
    )


def longest(_: float, high: float) -> float:
    """Replace `random.uniform`; always the upper end, so that waits are predictable."""
    return high


@asynccontextmanager
async def quick_gateway(
    upstream: Upstream,
    *,
    max_attempts: int = 4,
    attempt_timeout: float = 30.0,
    default_timeout: float = 60.0,
    max_pacing_wait: float = 60.0,
    identity_api_version: str = DEFAULT_IDENTITY_API_VERSION,
    budget: RetryBudget | None = None,
    clock: Callable[[], float] = time.time,
    converter: FairConverter | None = None,
) -> AsyncIterator[Quick]:
    """Run a gateway on a free port, with retries that do not wait."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    def monotonic() -> float:
        return time.monotonic() + sum(slept)

    async with HttpClient(
        upstream.endpoint,
        user_agent="test",
        max_connections=100,
        max_response_bytes=MAX_RESPONSE_BYTES,
    ) as http:
        transport = Sender(
            http,
            upstream.endpoint,
            make_credential(upstream.credential, upstream.endpoint),
            attempt_timeout=attempt_timeout,
            policy=RetryPolicy(max_attempts=max_attempts, uniform=longest),
            budget=budget,
            pacers=make_pacers(max_wait=max_pacing_wait, clock=monotonic, uniform=longest),
            clock=clock,
            monotonic=monotonic,
            sleep=sleep,
        )
        api = RoomsApi(transport, upstream.endpoint, API_VERSIONS[DEFAULT_API_VERSION])
        identity = IdentityApi(transport, identity_api_version)
        admission = GuestAdmission(api, identity, to_item_error)
        converter = converter or FairConverter()
        servicers: Servicers = {
            ROOMS_SERVICE: RoomsServicer(api, converter, to_item_error),
            PARTICIPANTS_SERVICE: ParticipantsServicer(api, converter),
            JOIN_SERVICE: JoinServicer(api, admission),
            IDENTITY_SERVICE: IdentityServicer(identity),
        }
        calls = Calls(default_timeout=default_timeout, admission=roomy())
        server = grpc.aio.server()
        for service, servicer in servicers.items():
            add_service(server, calls, service, servicer, DEFAULT_API_VERSION)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Quick(
                    f"127.0.0.1:{port}",
                    rooms_service_pb2_grpc.RoomsServiceStub(channel),
                    participants_service_pb2_grpc.ParticipantsServiceStub(channel),
                    identity_service_pb2_grpc.IdentityServiceStub(channel),
                    join_service_pb2_grpc.JoinServiceStub(channel),
                    transport,
                    slept,
                )
        finally:
            await server.stop(None)
