"""The standard health service: one status for the gateway, another for each named resource.

The servicer of grpcio-health-checking writes to a watcher while it holds a lock: one watcher that
stops reading blocks all others, including their shutdown notification.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from rooms_gateway.errors import OverloadedError
from rooms_gateway.server.admission import ConcurrencyLimiter, host_of

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

RESOURCE = "rooms-gateway.resource/"
"""What precedes the name of a resource in the name under which its status is reported."""

_States = HealthCheckResponse

Context = grpc.aio.ServicerContext[Any, Any]


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Reports NOT_SERVING until `set_serving(True)` is called."""

    def __init__(self, services: Iterable[str], watches: ConcurrencyLimiter) -> None:
        """Report on `services`, full names, and on the gateway as a whole."""
        self._names = ("", *services)
        self._serving = False
        self._resources: dict[str, bool] = {}
        self._changed = asyncio.Event()
        self._watches = watches

    @property
    def watched(self) -> bool:
        """Whether there are watchers to notify of a change."""
        return self._watches.running > 0

    def set_serving(self, serving: bool) -> None:
        """Change the status, and notify all watchers at once."""
        self._serving = serving
        self._notify()

    def set_resources(self, serving: Mapping[str, bool]) -> None:
        """Set the status of each named resource, and notify watchers at once of a change."""
        resources = {f"{RESOURCE}{name}": state for name, state in serving.items()}
        if resources != self._resources:
            self._resources = resources
            self._notify()

    def _state_of(self, service: str) -> int | None:
        """Return the status of a service; None if it is unknown."""
        if service in self._names:
            serving = self._serving
        elif service in self._resources:
            serving = self._serving and self._resources[service]
        else:
            return None
        return _States.SERVING if serving else _States.NOT_SERVING

    def _notify(self) -> None:
        # An event per change, because clearing a shared one could hide the change from a watcher.
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802 - the contract's name
        """Return the status; NOT_FOUND for unknown services."""
        state = self._state_of(request.service)
        if state is None:
            await _not_found(context)
        return HealthCheckResponse(status=state)

    async def List(self, request: object, context: Context) -> Any:  # noqa: N802 - the contract's form
        """Return the status of all services (gRFC A90)."""
        states = {
            name: HealthCheckResponse(status=self._state_of(name))
            for name in (*self._names, *self._resources)
        }
        return health_pb2.HealthListResponse(statuses=states)  # type: ignore[attr-defined] # not in the stubs

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802 - the contract's name
        """Send the status and each change of it, until the client or the server ends the stream.

        RESOURCE_EXHAUSTED if there are too many watches.
        """
        try:
            with self._watches.slot(host_of(context.peer())):
                await self._watch(request.service, context)
        except OverloadedError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _watch(self, service: str, context: Context) -> NoReturn:
        sent = None
        while True:
            # Taken before the state is read, so that no change in between is missed.
            changed = self._changed
            state = self._state_of(service)
            if state is None:
                state = _States.SERVICE_UNKNOWN
            if state != sent:
                await context.write(HealthCheckResponse(status=state))
                sent = state
            await changed.wait()


async def _not_found(context: Context) -> NoReturn:
    await context.abort(
        grpc.StatusCode.NOT_FOUND,
        "unknown service; an empty name returns the health of the gateway as a whole",
    )
