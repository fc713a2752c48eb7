"""The named resources of a gateway: opened at startup, and replaced when the settings file changes.

Each resource has its task, so that none waits for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rooms_gateway import aio
from rooms_gateway.errors import UpstreamUnavailableError
from rooms_gateway.files import POLL_INTERVAL, FollowedFile
from rooms_gateway.resources.connection import Connection, connect, show
from rooms_gateway.resources.keeper import Keeper
from rooms_gateway.resources.serving import serve_named
from rooms_gateway.resources.upstream_files import read_upstream
from rooms_gateway.server.calls.audit import Audit
from rooms_gateway.server.calls.resources import Resource, ResourceTable
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.settings import Resources, ResourceSettings, Settings
from rooms_gateway.settings.resource_tables import errors_of
from rooms_gateway.telemetry.observers import NOOP_OBSERVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rooms_gateway.telemetry.metrics.resources import ResourceCollector

PROBE_INTERVAL = 30.0
"""Seconds between probes of a named resource, without --upstream-probe-interval."""

MAX_START = 5.0
"""Seconds that startup waits for resources: a token issuer that is down stops no other resource."""

logger = logging.getLogger(__name__)


class ResourceManager:
    """The resources of a table, kept open inside of `async with`."""

    def __init__(
        self,
        settings: Settings,
        resources: Resources,
        table: ResourceTable,
        *,
        audit: Audit | None = None,
        metrics: ResourceCollector | None = None,
        read: Callable[[], Resources] | None = None,
        on_change: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Fill `table` with `resources`.

        `read` reads the resources again, and raises ValueError to keep the current ones; None: they
        do not change. `on_change` is called when a resource comes, changes its state, or goes.
        """
        self._settings = settings
        self._resources = resources
        self._table = table
        self._converter = FairConverter()
        self._audit = audit
        self._metrics = metrics
        self._on_change = on_change
        self._sleep = sleep
        self._keepers: dict[str, Keeper] = {}
        """The latest version of each resource."""
        self._open_keepers: set[Keeper] = set()
        """All versions that are not closed yet."""
        self._file = (
            None
            if read is None
            else FollowedFile(resources, read, apply=self._apply, report=self._report)
        )
        self._polling: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether at least one resource is open, reachable or not."""
        return bool(self._table.open)

    @property
    def serving(self) -> dict[str, bool]:
        """Whether each resource is open and reachable, by name."""
        return {name: self._current(each).serving for name, each in self._keepers.items()}

    @property
    def reachable(self) -> bool:
        """Whether at least one resource is open and reachable."""
        return any(self.serving.values())

    @property
    def last_error(self) -> str:
        """The errors of the last probes, by resource."""
        found = []
        for name in self._keepers:
            connection = self.connection(name)
            if connection is not None and connection.probe is not None:
                found.append(f"{name}: {connection.probe.last_error}")
        return "; ".join(found)

    def connection(self, name: str) -> Connection | None:
        """Return what the gateway has of a resource; None if it is not open."""
        return self._current(self._keepers[name]).connection

    async def reload(self) -> None:
        """Read the resources again, and try again to open those that are not open.

        An invalid file is logged once, and changes nothing.
        """
        if self._file is not None:
            await self._file.reload()
        for each in self._keepers.values():
            each.retry()

    async def __aenter__(self) -> Self:
        """Open the resources. None of them raises an error."""
        await self._apply(self._resources)
        tried = [asyncio.create_task(each.tried.wait()) for each in self._keepers.values()]
        try:
            await asyncio.wait(tried, timeout=MAX_START)
        except asyncio.CancelledError:
            await self._close()
            raise
        finally:
            await aio.cancel_and_wait(*tried)
        self._polling = asyncio.create_task(aio.every(POLL_INTERVAL, self.reload, self._sleep))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all resources at once."""
        await self._close()

    async def _close(self) -> None:
        await aio.cancel_and_wait(self._polling)
        await asyncio.gather(*(each.close() for each in self._open_keepers))

    @staticmethod
    def _current(keeper: Keeper) -> Keeper:
        """Return the version in use: the predecessor until `keeper` is open."""
        while keeper.resource is None and keeper.predecessor is not None:
            keeper = keeper.predecessor
        return keeper

    async def _apply(self, resources: Resources) -> None:
        """Open, replace and retire resources, so that they become `resources`."""
        for name in self._keepers.keys() - resources.by_name.keys():
            self._remove(name)
        for name, settings in resources.by_name.items():
            latest = self._keepers.get(name)
            if latest is None or latest.settings != settings:
                self._start(settings, latest)
        self._table.default = resources.default
        self._on_change()

    def _start(self, settings: ResourceSettings, latest: Keeper | None) -> None:
        name, predecessor = settings.name, latest
        if latest is not None and latest.resource is None:
            # It has not opened: what serves is its own predecessor, if it has one.
            predecessor, latest.predecessor = latest.predecessor, None
            latest.retire()
        if predecessor is None:
            opening = UpstreamUnavailableError(f"the resource {name} is being opened: retry")
            self._table.by_name[name] = Resource(name, opening)
        keeper = Keeper(settings, predecessor, self._opened, self._failed)
        self._keepers[name] = keeper
        self._open_keepers.add(keeper)
        keeper.start(self._open).add_done_callback(lambda _: self._open_keepers.discard(keeper))

    def _remove(self, name: str) -> None:
        keeper = self._keepers.pop(name)
        self._table.by_name.pop(name, None)
        keeper.retire()
        if self._metrics is not None:
            self._metrics.remove(name)
        logger.info("removed the resource %s: calls in flight end, new ones are rejected", name)

    @asynccontextmanager
    async def _open(self, settings: ResourceSettings) -> AsyncIterator[Connection]:
        with errors_of(settings.name):
            upstream = await asyncio.to_thread(read_upstream, settings.upstream)
        interval = self._settings.upstream_probe_interval or PROBE_INTERVAL
        observer = NOOP_OBSERVER if self._metrics is None else self._metrics.of(settings.name)
        async with connect(
            upstream,
            settings.terms,
            self._settings,
            observer,
            probe_interval=interval,
            on_probe_change=self._on_change,
        ) as connection:
            yield connection

    def _opened(self, keeper: Keeper, connection: Connection) -> None:
        name = keeper.settings.name
        served = serve_named(connection, self._settings, self._converter, self._audit)
        keeper.resource = Resource(name, served)
        self._table.by_name[name] = keeper.resource
        if self._metrics is not None:
            show(connection, self._metrics.of(name))
        self._on_change()

    def _failed(self, keeper: Keeper) -> None:
        name = keeper.settings.name
        latest = self._keepers.get(name) is keeper
        if latest and keeper.predecessor is None and keeper.error is not None:
            self._table.by_name[name] = Resource(name, keeper.error)
            self._on_change()

    def _report(self, error: str) -> None:
        logger.warning("%s; keeping the current resources", error)
