"""The admin listener: probes and metrics over HTTP, separate from calls.

It is started before everything else and closed after everything else, so that probes always get a
response.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rooms_gateway.addresses import is_loopback, split_host_port
from rooms_gateway.server.ports import BindError

SHUTDOWN_TIMEOUT = 1.0
"""Seconds for a response that is being sent; all of them are short."""

_FORWARDING = frozenset({"origin", "sec-fetch-site", "forwarded", "x-forwarded-for", "via"})
"""Headers of browsers and proxies. A web page cannot remove its Origin header."""

logger = logging.getLogger(__name__)

Exposition = Callable[[str], tuple[bytes, str]]
"""Returns the metrics in the format of an Accept header, and their content type."""


class Reachability(Protocol):
    """The result of upstream probes."""

    @property
    def reachable(self) -> bool:
        """Whether the upstream counts as reachable."""
        ...

    @property
    def last_error(self) -> str:
        """Error of the last probe; empty if there is none."""
        ...


@dataclass(slots=True)
class Lifecycle:
    """The state of the gateway, as the probes report it."""

    started: bool = False
    """Whether startup has succeeded."""
    serving: bool = False
    """Whether calls are welcome: from startup until the drain begins."""
    upstream: Reachability | None = None
    """The upstream probe; None without one, which is the default."""


class AdminListener:
    """Serves probes, metrics and, if configured, /quitquitquit inside of `async with`."""

    def __init__(
        self,
        address: str,
        lifecycle: Lifecycle,
        expose: Exposition,
        request_shutdown: Callable[[], None] | None = None,
    ) -> None:
        """Serve on `address`, a host:port (port 0: any free one).

        POST /quitquitquit calls `request_shutdown`; None: the path does not exist.
        """
        self._requested_address = address
        self._lifecycle = lifecycle
        self._expose = expose
        self._request_shutdown = request_shutdown
        self.address = ""
        """The bound address, with the actual port."""

    async def __aenter__(self) -> Self:
        """Bind the address and start to serve. Raises BindError."""
        app = web.Application()
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/metrics", self._metrics)
        if self._request_shutdown is not None:
            app.router.add_post("/quitquitquit", self._quitquitquit)
        self._runner = web.AppRunner(
            app, access_log=None, logger=logger, shutdown_timeout=SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        host, port = split_host_port(self._requested_address)
        # Exclusive by asyncio's default, unlike grpc's listeners.
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise BindError(
                f"cannot listen on {self._requested_address}, for probes and metrics: the address "
                "is in use or does not belong to this host: stop the other process, or choose "
                "another address with --admin-listen (each process needs its own, with "
                "--reuse-port too)"
            ) from error
        bound = self._runner.addresses[0][1]
        self.address = f"{self._requested_address.rpartition(':')[0]}:{bound}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the listener and release the address."""
        await self._runner.cleanup()

    async def _startupz(self, _: web.Request) -> web.Response:
        return _probe_response("started", healthy=self._lifecycle.started)

    async def _readyz(self, _: web.Request) -> web.Response:
        lifecycle, upstream = self._lifecycle, self._lifecycle.upstream
        if lifecycle.serving and upstream is not None and not upstream.reachable:
            cause = f": {upstream.last_error}" if upstream.last_error else ""
            text = f"not ready: the upstream is unreachable{cause}\n"
            return web.Response(text=text, status=503)
        return _probe_response("ready", healthy=lifecycle.serving)

    async def _livez(self, _: web.Request) -> web.Response:
        # Running this proves that the event loop is not blocked.
        return _probe_response("alive", healthy=True)

    async def _quitquitquit(self, request: web.Request) -> web.Response:
        if self._request_shutdown is None or not _is_local(request):
            return web.Response(text="only programs on this host may stop it\n", status=403)
        self._request_shutdown()
        return web.Response(text="stopping\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._expose(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _drop_parse_errors(record: logging.LogRecord) -> bool:
    """Drop aiohttp's tracebacks for malformed requests; they contain the raw bytes."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logger.addFilter(_drop_parse_errors)


def _probe_response(state: str, *, healthy: bool) -> web.Response:
    if healthy:
        return web.Response(text=f"{state}\n")
    return web.Response(text=f"not {state}\n", status=503)


def _is_local(request: web.Request) -> bool:
    """Return whether a program on this host sent `request`, and not through a browser or proxy."""
    if _FORWARDING.intersection(name.lower() for name in request.headers):
        return False
    return request.remote is not None and is_loopback(request.remote)
