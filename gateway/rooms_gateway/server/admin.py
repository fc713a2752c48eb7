"""The listener for operators: probes and metrics over HTTP, apart from the calls.

It is there before everything else starts and after everything else has stopped, so that a probe
always gets an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rooms_gateway.addresses import is_loopback, split_host_port
from rooms_gateway.server.listeners import BindError

SHUTDOWN_TIMEOUT = 1.0
"""Seconds for an answer that is on its way out; all of them are short."""

_ON_BEHALF = frozenset({"origin", "sec-fetch-site", "forwarded", "x-forwarded-for", "via"})
"""What browsers and proxies add. A page may not leave its Origin out."""

logger = logging.getLogger(__name__)

Exposition = Callable[[str], tuple[bytes, str]]
"""Returns the metrics in the format that an Accept header asks for, and its content type."""


@dataclass(slots=True)
class Lifecycle:
    """How far the gateway is."""

    started: bool = False
    """Whether the start has succeeded."""
    serving: bool = False
    """Whether calls can be sent here: from the start on, until the drain begins."""
    upstream_answers: Callable[[], bool] = lambda: True
    """Whether the service is there, for those who want readiness to depend on it; not the rule."""


class AdminListener:
    """Serves inside of `async with`: probes, metrics, and /quitquitquit if it is wanted."""

    def __init__(
        self,
        address: str,
        progress: Lifecycle,
        expose: Exposition,
        ask_to_stop: Callable[[], None] | None = None,
    ) -> None:
        """Take `address`, a host:port (port 0: any free one), and what to tell.

        `ask_to_stop` is for /quitquitquit; None: there is no such path.
        """
        self._wanted = address
        self._progress = progress
        self._expose = expose
        self._ask_to_stop = ask_to_stop
        self.address = ""
        """What is bound, with the real port."""

    async def __aenter__(self) -> Self:
        """Bind, and answer from now on. Raises BindError."""
        app = web.Application()
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/metrics", self._metrics)
        if self._ask_to_stop is not None:
            app.router.add_post("/quitquitquit", self._quitquitquit)
        self._runner = web.AppRunner(
            app, access_log=None, logger=logger, shutdown_timeout=SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        host, port = split_host_port(self._wanted)
        # Not shared, unlike grpc's: asyncio's default lets nobody else bind the port.
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise BindError(
                f"cannot listen on {self._wanted}, for probes and metrics: is another gateway "
                "running there, or is the address not of this machine? Stop it, or choose another "
                "with --admin-listen: each process needs its own, with --reuse-port too"
            ) from error
        bound = self._runner.addresses[0][1]
        self.address = f"{self._wanted.rpartition(':')[0]}:{bound}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let another gateway have the address."""
        await self._runner.cleanup()

    async def _startupz(self, _: web.Request) -> web.Response:
        return _answer("started", yes=self._progress.started)

    async def _readyz(self, _: web.Request) -> web.Response:
        progress = self._progress
        if progress.serving and not progress.upstream_answers():
            return web.Response(text="not ready: the service does not answer\n", status=503)
        return _answer("ready", yes=progress.serving)

    async def _livez(self, _: web.Request) -> web.Response:
        # That this runs is the proof: the event loop turns.
        return _answer("alive", yes=True)

    async def _quitquitquit(self, request: web.Request) -> web.Response:
        if self._ask_to_stop is None or not _is_of_this_machine(request):
            return web.Response(text="only programs on this machine may stop it\n", status=403)
        self._ask_to_stop()
        return web.Response(text="stopping\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._expose(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


def _drop_parse_errors(record: logging.LogRecord) -> bool:
    """Keep out what aiohttp says of bytes that are no request: a trace for each, and the bytes."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logger.addFilter(_drop_parse_errors)


def _answer(what: str, *, yes: bool) -> web.Response:
    return web.Response(text=f"{what}\n" if yes else f"not {what}\n", status=200 if yes else 503)


def _is_of_this_machine(request: web.Request) -> bool:
    """Tell a program here from others, and from those who have a browser or a proxy here ask."""
    if _ON_BEHALF.intersection(name.lower() for name in request.headers):
        return False
    return request.remote is not None and is_loopback(request.remote)
