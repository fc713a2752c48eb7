"""Services with quotas, and load on them, in virtual time: what pacing was developed against."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from rooms_gateway.call import Call
from rooms_gateway.errors import ThrottledError
from rooms_gateway.upstream.transport.messages import OperationFamily
from rooms_gateway.upstream.transport.pacing.pacer import Pacer

Clock = Callable[[], float]


class Quota(Protocol):
    """What a service allows."""

    def request(self, now: float) -> float | None:
        """Return None if the request is accepted, else the wait that the response requests.

        A wait of 0 is none.
        """
        ...


@dataclass
class Bucket:
    """A token bucket with the size of `burst`, in requests."""

    rate: float
    burst: float
    wait: float = 1.0
    counted: bool = False
    """Whether a rejected request takes the part of a token that is left."""
    _tokens: float = -1.0
    _filled_at: float = 0.0

    def request(self, now: float) -> float | None:
        if self._tokens < 0:
            self._tokens, self._filled_at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        if self.counted:
            self._tokens = 0.0
        return self.wait


@dataclass
class Window:
    """A fixed window of `seconds`, which allows `count` requests."""

    count: int
    seconds: float
    silent: bool = False
    _start: float = -1.0
    _used: int = 0

    def request(self, now: float) -> float | None:
        if self._start < 0 or now >= self._start + self.seconds:
            self._start, self._used = now, 0
        self._used += 1
        if self._used <= self.count:
            return None
        return 0.0 if self.silent else self._start + self.seconds - now


@dataclass
class Randomly:
    """Rejections that do not depend on the rate."""

    share: float
    wait: float = 1.0
    _random: random.Random = field(default_factory=lambda: random.Random(5))

    def request(self, _: float) -> float | None:
        return self.wait if self._random.random() < self.share else None


@dataclass
class Service:
    """A service behind one or more gateways, as the pacers of these see it."""

    quota: Quota
    gateways: int = 1
    latency: float = 0.02
    max_wait: float = 60.0
    ceiling: float = float("inf")
    sent: int = 0
    succeeded: int = 0
    rejected: int = 0
    waits: list[float] = field(default_factory=list)
    """Of calls that succeeded, in seconds."""

    def __post_init__(self) -> None:
        clock = asyncio.get_running_loop().time
        # Seeded, so that a scenario always has the same outcome.
        self._random = random.Random(3)
        self.pacers = [
            Pacer(
                OperationFamily.ROOM_WRITES,
                ceiling=self.ceiling,
                max_wait=self.max_wait,
                clock=clock,
                uniform=self._random.uniform,
            )
            for _ in range(self.gateways)
        ]

    async def call(
        self,
        deadline: float,
        *,
        gateway: int = 0,
        caller: str = "",
        bulk: bool = False,
        patient: bool = False,
    ) -> bool:
        """Make a call as `Sender.send` does, and return whether it succeeded."""
        loop, pacer = asyncio.get_running_loop(), self.pacers[gateway]
        started = loop.time()
        call = Call("", started + deadline, True, queue_key=caller, bulk=bulk, patient=patient)
        try:
            async with asyncio.timeout_at(call.deadline):
                if await self._send(call, pacer):
                    self.waits.append(loop.time() - started)
                    self.succeeded += 1
                    return True
        except (ThrottledError, TimeoutError):
            pass
        self.rejected += 1
        return False

    async def _send(self, call: Call, pacer: Pacer) -> bool:
        loop, rejections = asyncio.get_running_loop(), 0
        while True:
            if pacer.engaged:
                await pacer.acquire(call, again=rejections > 0)
            sent_at = loop.time()
            self.sent += 1
            half = self.latency * self._random.uniform(0.4, 0.6)
            await asyncio.sleep(half)
            requested = self.quota.request(loop.time())
            await asyncio.sleep(half)
            if requested is None:
                if pacer.engaged or sent_at >= pacer.period_end:
                    pacer.accepted(sent_at)
                else:
                    pacer.count += 1
                return True
            wait = pacer.rejected(call, requested, sent_at, rejections)
            if wait is None:
                return False
            rejections += 1
            await asyncio.sleep(wait)

    async def bulk(self, calls: int, *, callers: int = 64, deadline: float = 30.0) -> None:
        """Make `calls` as fast as `callers` can, which take the gateways in turn."""
        left = iter(range(calls))

        async def work(gateway: int) -> None:
            for _ in left:
                await self.call(deadline, gateway=gateway)

        await asyncio.gather(*(work(each % self.gateways) for each in range(callers)))

    async def load(self, rate: float, seconds: float, *, deadline: float = 5.0) -> None:
        """Start `rate` calls a second for `seconds`, and wait for their ends."""
        async with asyncio.TaskGroup() as calls:
            for _ in range(round(rate * seconds)):
                calls.create_task(self.call(deadline))
                await asyncio.sleep(1 / rate)
