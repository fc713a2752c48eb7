"""Keeps one named resource open, until it is removed and its last call has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from rooms_gateway import aio
from rooms_gateway.errors import CredentialExpiredError, GatewayError, UpstreamMisconfiguredError
from rooms_gateway.files import ErrorReporter
from rooms_gateway.resources.connection import Connection
from rooms_gateway.server.calls.resources import Resource
from rooms_gateway.settings import ResourceSettings, SettingsError
from rooms_gateway.telemetry import logs
from rooms_gateway.upstream.credentials import CredentialError

Open = Callable[[ResourceSettings], AbstractAsyncContextManager[Connection]]
"""Opens a resource. Raises SettingsError or CredentialError."""

logger = logging.getLogger(__name__)


class Keeper:
    """One version of a resource.

    The version before serves until this one is open, and is then closed when its last call has
    ended.
    """

    def __init__(
        self,
        settings: ResourceSettings,
        predecessor: Keeper | None,
        on_open: Callable[[Keeper, Connection], None],
        on_failure: Callable[[Keeper], None],
    ) -> None:
        """`on_open` and `on_failure` are called after each attempt."""
        self.settings = settings
        self.predecessor = predecessor
        self.resource: Resource | None = None
        """The resource as calls find it, set by `on_open`; None: not open."""
        self.connection: Connection | None = None
        """None: not open."""
        self.error: GatewayError | None = None
        """The error of calls while opening fails."""
        self.tried = asyncio.Event()
        """Set after the first attempt to open the resource."""
        self._on_open = on_open
        self._on_failure = on_failure
        self._again = asyncio.Event()
        self._retired = asyncio.Event()
        self._errors = ErrorReporter(self._report)
        self._task: asyncio.Task[None] | None = None

    @property
    def serving(self) -> bool:
        """Whether the resource is open, and no failed probes show that it is unreachable."""
        probe = None if self.connection is None else self.connection.probe
        return probe is not None and probe.reachable

    def start(self, open_: Open) -> asyncio.Task[None]:
        """Start to open the resource; return the task, which ends when it is closed."""
        self._task = asyncio.create_task(self._run(open_))
        return self._task

    def retry(self) -> None:
        """Try to open the resource again, if that has failed."""
        self._again.set()

    def retire(self) -> None:
        """Close the resource when its last call has ended, and its predecessor too."""
        self._retired.set()
        if self.resource is None and self._task is not None:
            self._task.cancel()
        if self.predecessor is not None:
            self.predecessor.retire()

    async def close(self) -> None:
        """Close the resource at once."""
        await aio.cancel_and_wait(self._task)

    async def _run(self, open_: Open) -> None:
        # For the log lines of all tasks that the resource starts.
        logs.resource.set(self.settings.name)
        while not self._retired.is_set():
            self._again.clear()
            try:
                async with open_(self.settings) as connection:
                    self._opened(connection)
                    await self._retired.wait()
                    if self.resource is not None:
                        await self.resource.wait_idle()
            except SettingsError as error:
                self._failed(UpstreamMisconfiguredError, str(error))
            except CredentialError as error:
                self._failed(CredentialExpiredError, str(error))
            except Exception as error:
                logger.exception("cannot open the resource %s", self.settings.name)
                self._failed(UpstreamMisconfiguredError, f"a defect ({type(error).__name__})")
            else:
                logger.info("closed the resource %s", self.settings.name)
                return
            await self._again.wait()

    def _opened(self, connection: Connection) -> None:
        self.error, self.connection = None, connection
        self._errors.succeeded()
        logger.info("the resource %s is at %s", self.settings.name, connection.endpoint.origin)
        self._on_open(self, connection)
        if self.predecessor is not None:
            self.predecessor.retire()
            self.predecessor = None
        self.tried.set()

    def _failed(self, kind: type[GatewayError], reason: str) -> None:
        """Let calls get an error of this kind; its text is without `reason`, which names files."""
        what = "files" if kind is UpstreamMisconfiguredError else "credential"
        self.error = kind(
            f"the resource {self.settings.name} cannot be used, because of its {what}: the log of "
            "the gateway has the cause"
        )
        self._errors.failed(reason)
        self._on_failure(self)
        self.tried.set()

    def _report(self, reason: str) -> None:
        logger.warning(
            "the resource %s cannot be used: %s%s",
            self.settings.name,
            reason,
            "" if self.predecessor is None else "; keeping its current settings",
        )
