"""The standard health service: one status for the gateway and all of its services.

The servicer of grpcio-health-checking writes to a watcher while it holds a lock: one watcher that
stops reading blocks all others, including their shutdown notification.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from rooms_gateway.errors import OverloadedError
from rooms_gateway.server.admission import ConcurrencyLimiter, host_of

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_States = HealthCheckResponse

Context = grpc.aio.ServicerContext[Any, Any]


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Reports NOT_SERVING until `set_serving(True)` is called."""

    def __init__(self, services: Iterable[str], watches: ConcurrencyLimiter) -> None:
        """Report on `services`, full names, and on the gateway as a whole."""
        self._names = ("", *services)
        self._state = int(_States.NOT_SERVING)
        self._changed = asyncio.Event()
        self._watches = watches

    @property
    def watched(self) -> bool:
        """Whether there are watchers to notify of a change."""
        return self._watches.running > 0

    def set_serving(self, serving: bool) -> None:
        """Change the status, and notify all watchers at once."""
        self._state = _States.SERVING if serving else _States.NOT_SERVING
        # An event per change, because clearing a shared one could hide the change from a watcher.
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802 - the contract's name
        """Return the status; NOT_FOUND for unknown services."""
        if request.service not in self._names:
            await _not_found(context)
        return HealthCheckResponse(status=self._state)

    async def List(self, request: object, context: Context) -> Any:  # noqa: N802 - the contract's form
        """Return the status of all services (gRFC A90)."""
        states = dict.fromkeys(self._names, HealthCheckResponse(status=self._state))
        return health_pb2.HealthListResponse(statuses=states)  # type: ignore[attr-defined] # not in the stubs

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802 - the contract's name
        """Send the status and each change of it, until the client or the server ends the stream.

        RESOURCE_EXHAUSTED if there are too many watches.
        """
        try:
            with self._watches.slot(host_of(context.peer())):
                await self._watch(request.service in self._names, context)
        except OverloadedError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _watch(self, known: bool, context: Context) -> NoReturn:
        sent = None
        while True:
            # Taken before the state is read, so that no change in between is missed.
            changed = self._changed
            state = self._state if known else _States.SERVICE_UNKNOWN
            if state != sent:
                await context.write(HealthCheckResponse(status=state))
                sent = state
            await changed.wait()


async def _not_found(context: Context) -> NoReturn:
    await context.abort(
        grpc.StatusCode.NOT_FOUND,
        "unknown service; an empty name returns the health of the gateway as a whole",
    )
