"""A gateway as it ships, on a separate thread and event loop, with its work counted.

Its client and its upstream run on other threads, and Python's profile function sees one thread
only: every frame that it counts is the gateway's.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType

import rooms_gateway
from benchmarks.guard import upstream
from benchmarks.guard.kinds import FRAMES
from rooms_gateway.app import Gateway
from rooms_gateway.cli.serve import event_loop
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.log_options import LogFormat
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.versions import DEFAULT_API_VERSION

GATEWAY = Path(rooms_gateway.__file__).parent
_OURS = f"{GATEWAY}{os.sep}"
_POLL = 0.001


class NeverIdleError(Exception):
    """Tasks of finished calls are still running."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A running gateway."""

    address: str
    counts: Counter[str]
    """Counts so far; complete once the gateway is idle."""
    frames: Counter[CodeType]
    """Frames by function."""
    loop: asyncio.AbstractEventLoop
    _idle_tasks: int
    _patience: float

    def wait_until_idle(self) -> None:
        """Wait until calls have ended inside the gateway too.

        Raises NeverIdleError if tasks are left.
        """
        patient_until = time.monotonic() + self._patience
        while (more := len(asyncio.all_tasks(self.loop)) - self._idle_tasks) > 0:
            if time.monotonic() > patient_until:
                raise NeverIdleError(
                    f"{more} tasks still run {self._patience:g} s after the last call: calls "
                    "leave tasks behind."
                )
            time.sleep(_POLL)
        # Callbacks of the last task are queued in the loop before this one.
        self._run(lambda: None)

    @contextmanager
    def profiled(self) -> Iterator[None]:
        """Count the Python frames of the gateway that are entered or resumed."""
        self._run(partial(sys.setprofile, partial(_profile, self.counts, self.frames)))
        try:
            yield
        finally:
            self._run(partial(sys.setprofile, None))

    def _run(self, action: Callable[[], object]) -> None:
        done: Future[object] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(action()))
        done.result()


@contextmanager
def observed(patience: float) -> Iterator[Observed]:
    """Run a gateway and its upstream; `patience` is the timeout until idle, in seconds."""
    counts: Counter[str] = Counter()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        upstream.running(counts) as port,
    ):
        # A flush by time would make the count of frames depend on time.
        logs.FLUSH_INTERVAL = 0.0
        logs.configure("info", LogFormat.JSON, nowhere)
        settings = Settings(
            upstream=Upstream.with_key(Endpoint.parse(f"http://127.0.0.1:{port}"), b"key"),
            api_version=DEFAULT_API_VERSION,
            listen=("127.0.0.1:0",),
            admin_listen="127.0.0.1:0",
            # Opened in the background, so that the number of idle tasks would depend on time.
            upstream_warm_connections=0,
        )
        started: Future[tuple[Observed, asyncio.Event]] = Future()
        thread = threading.Thread(
            target=_run, args=(settings, counts, started, patience), daemon=True
        )
        thread.start()
        gateway, stop = started.result()
        try:
            yield gateway
        finally:
            gateway.loop.call_soon_threadsafe(stop.set)
            thread.join()


def _run(
    settings: Settings,
    counts: Counter[str],
    started: Future[tuple[Observed, asyncio.Event]],
    patience: float,
) -> None:
    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with Gateway(settings) as gateway:
            idle = len(asyncio.all_tasks())
            started.set_result(
                (Observed(gateway.addresses[0], counts, Counter(), loop, idle, patience), stop)
            )
            await stop.wait()

    try:
        event_loop.run(serve())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


def _profile(
    counts: Counter[str], frames: Counter[CodeType], frame: FrameType, event: str, _: object
) -> None:
    if event == "call" and frame.f_code.co_filename.startswith(_OURS):
        frames[frame.f_code] += 1
        counts[FRAMES.name] += 1
