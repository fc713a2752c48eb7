"""What the calls of all methods share: the parts that process them, and the calls in flight."""

from __future__ import annotations

import asyncio

from rooms_gateway.server.admission import Admission
from rooms_gateway.server.auth.authorizer import Authorizer
from rooms_gateway.server.calls.audit import Audit
from rooms_gateway.server.calls.messages import UnreadResponses
from rooms_gateway.server.calls.resources import Resource, ResourceTable
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CallObserver
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer


class Calls:
    """The calls of a gateway: the parts that process them, and those in flight."""

    def __init__(
        self,
        *,
        default_timeout: float,
        admission: Admission,
        observer: CallObserver = NOOP_OBSERVER,
        authorizer: Authorizer | None = None,
        audit: Audit | None = None,
        tracer: Tracer = PROPAGATE_ONLY,
    ) -> None:
        """Start without calls.

        `default_timeout`, in seconds, applies to unary calls without a deadline. Without an
        `authorizer` all calls are allowed, and without an `audit` none is audited.
        """
        self.default_timeout = default_timeout
        self.admission = admission
        self.observer = observer
        self.authorizer = authorizer
        self.audit = audit
        self.tracer = tracer
        self.unread = UnreadResponses(admission.calls, admission.write_stall_timeout)
        self.resources = ResourceTable()
        self.shutdown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when bidirectional streams must end after the items that they have read."""
        self.running = 0
        """Number of calls in flight, queued ones included."""
        self._idle = asyncio.Event()

    @property
    def admissions(self) -> list[Admission]:
        """The slots of all resources."""
        return [self.admission, *(each.admission for each in self.resources.open)]

    @property
    def unread_responses(self) -> int:
        """Number of unary responses that clients have not read."""
        return self.unread.count + sum(each.unread.count for each in self.resources.open)

    def end(self, resource: Resource | None) -> None:
        """Record the end of a call, on its resource too if that has a name."""
        if resource is not None:
            resource.end()
        self.running -= 1
        if not self.running:
            self._idle.set()

    def end_streams(self) -> None:
        """Let bidirectional streams end after the items that they have read."""
        if not self.shutdown.done():
            self.shutdown.set_result(None)

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        while self.running:
            self._idle.clear()
            await self._idle.wait()
