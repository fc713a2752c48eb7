"""The standard health service: one state of the gateway, for all of its services.

grpcio-health-checking's servicer writes to a watcher while it holds a lock: one watcher who does
not read keeps all others from their first answer, and a stop from being told to anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_States = HealthCheckResponse

Context = grpc.aio.ServicerContext[Any, Any]


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Says whether calls are welcome; until it is told otherwise, they are not."""

    def __init__(self, services: Iterable[str]) -> None:
        """Speak of `services`, full names, and of the gateway as a whole."""
        self._names = ("", *services)
        self._state = int(_States.NOT_SERVING)
        self._changed = asyncio.Event()
        self._watchers = 0

    @property
    def watched(self) -> bool:
        """Whether somebody wants to be told of changes."""
        return self._watchers > 0

    def say(self, *, serving: bool) -> None:
        """Have all be told at once whether calls are welcome."""
        self._state = _States.SERVING if serving else _States.NOT_SERVING
        # Each event is for one change: nobody clears it before somebody else has seen it.
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802 - the contract's name
        """Tell the state once; NOT_FOUND for what is not served."""
        if request.service not in self._names:
            await _not_found(context)
        return HealthCheckResponse(status=self._state)

    async def List(self, request: object, context: Context) -> Any:  # noqa: ARG002, N802 - the contract's form
        """Tell the state of all that is served (gRFC A90)."""
        states = dict.fromkeys(self._names, HealthCheckResponse(status=self._state))
        return health_pb2.HealthListResponse(statuses=states)  # type: ignore[attr-defined] # not in the stubs

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802 - the contract's name
        """Tell the state and every change of it, until the caller goes or the server stops."""
        known, told = request.service in self._names, None
        self._watchers += 1
        try:
            while True:
                # Taken before the state is read, so that no change falls in between.
                changed = self._changed
                state = self._state if known else _States.SERVICE_UNKNOWN
                if state != told:
                    await context.write(HealthCheckResponse(status=state))
                    told = state
                await changed.wait()
        finally:
            self._watchers -= 1


async def _not_found(context: Context) -> NoReturn:
    await context.abort(
        grpc.StatusCode.NOT_FOUND,
        "nothing of that name is served here; an empty name asks for the gateway as a whole",
    )
