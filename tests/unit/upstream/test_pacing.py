"""Pacing: calls succeed later rather than fail, with few requests, fairly among callers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support import virtual_time
from support.simulated_quotas import Bucket, Quota, Randomly, Service, Window

from rooms_gateway.call import Call
from rooms_gateway.errors import ThrottledError


@dataclass(frozen=True)
class Row:
    """A quota that is exceeded, and the bounds of the outcome."""

    quota: Callable[[], Quota]
    calls: int
    accepted: float
    """At least this share of the requests that the quota allows succeeds."""
    requests: float
    """At most this number of requests is sent for each success."""
    rate: float = 0.0
    """Calls per second; 0: as fast as 64 callers can make them."""
    deadline: float = 30.0
    gateways: int = 1
    allowed: int | None = None
    """Calls that can succeed; None: all."""
    latency: float = 0.02


BULK = {
    "a bucket": Row(lambda: Bucket(100, 100), 1500, 1, 1.08),
    "a bucket that rejected requests drain": Row(
        lambda: Bucket(100, 100, counted=True), 1500, 1, 1.11
    ),
    "a bucket, waits of 10 ms": Row(lambda: Bucket(100, 100, 0.01), 1500, 1, 1.35),
    "a bucket without a requested wait": Row(lambda: Bucket(100, 100, 0), 1500, 1, 1.2),
    "a bucket of a slow service": Row(lambda: Bucket(100, 100), 1500, 1, 1.2, latency=0.08),
    "a slow bucket": Row(lambda: Bucket(20, 20), 500, 1, 1.25),
    "a window of a second": Row(lambda: Window(100, 1), 1500, 1, 1.1),
    "a window of ten seconds": Row(lambda: Window(1000, 10), 1500, 1, 1.1),
    "several windows": Row(lambda: Window(1000, 10), 3000, 1, 1.1, deadline=60),
    "small windows": Row(lambda: Window(100, 10), 600, 1, 1.25, deadline=90),
    "a window without a requested wait": Row(lambda: Window(1000, 10, True), 1500, 1, 1.2),
    "two gateways at a bucket": Row(lambda: Bucket(100, 100), 1500, 1, 1.1, gateways=2),
    "two gateways at a window": Row(lambda: Window(1000, 10), 1500, 1, 1.1, gateways=2),
}
OVERLOAD = {
    "half more than a bucket": Row(
        lambda: Bucket(100, 100), 1800, 0.97, 1.1, rate=150, deadline=5, allowed=1800
    ),
    "half more than a window": Row(
        lambda: Window(1000, 10), 1800, 0.97, 1.1, rate=150, deadline=5, allowed=1800
    ),
    "half more than a silent bucket": Row(
        lambda: Bucket(100, 100, 0), 1800, 0.97, 1.1, rate=150, deadline=5, allowed=1800
    ),
    "three times a bucket": Row(
        lambda: Bucket(20, 20), 1200, 0.95, 1.2, rate=60, deadline=10, allowed=620, latency=0.08
    ),
    "three times a window": Row(
        lambda: Window(200, 10), 1200, 0.95, 1.25, rate=60, deadline=10, allowed=600, latency=0.08
    ),
}
RANDOM = {
    "every second request": Row(lambda: Randomly(0.5), 1500, 0.6, 2.2, rate=100, deadline=3),
    "15 % of the requests": Row(lambda: Randomly(0.15), 1500, 0.7, 1.3, rate=100, deadline=3),
    "an hour, for 1 of 8": Row(
        lambda: Randomly(1 / 8, 3600), 1500, 0.7, 1.3, rate=100, deadline=3, latency=0.08
    ),
}


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=name) for name, row in (BULK | OVERLOAD | RANDOM).items()]
)
def test_load_above_a_quota_succeeds_later(row: Row) -> None:
    async def run() -> Service:
        service = Service(row.quota(), row.gateways, row.latency)
        if row.rate:
            await service.load(row.rate, row.calls / row.rate, deadline=row.deadline)
        else:
            await service.bulk(row.calls, deadline=row.deadline)
        return service

    service = virtual_time.run(run())
    assert service.succeeded >= row.accepted * (row.allowed or row.calls)
    assert service.sent <= row.requests * service.succeeded


def test_calls_within_a_quota_are_not_delayed() -> None:
    async def run() -> Service:
        service = Service(Bucket(100, 100))
        await service.load(90, 10)
        return service

    service = virtual_time.run(run())
    assert service.sent == service.succeeded == 900
    assert max(service.waits) < 0.03
    assert not service.pacers[0].engaged


def test_a_long_wait_holds_all_callers_back() -> None:
    """Also those that were not rejected; then one request is tried before the others."""

    async def run() -> None:
        service = Service(Window(1, 5))
        assert await service.call(1)
        first = asyncio.create_task(service.call(20, caller="a"))
        await asyncio.sleep(0.1)
        assert service.sent == 2
        others = [asyncio.create_task(service.call(20, caller=each)) for each in "bcd"]
        await asyncio.sleep(4.7)
        assert service.sent == 2
        assert service.pacers[0].waiting == 3
        while service.sent == 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert service.sent == 3
        for each in (first, *others):
            each.cancel()

    virtual_time.run(run())


def test_pauses_without_a_requested_wait_grow() -> None:
    async def run() -> list[float]:
        service = Service(Window(0, 3600, silent=True))
        started, sent = asyncio.get_running_loop().time(), list[float]()
        calls = [asyncio.create_task(service.call(40, caller=str(each))) for each in range(5)]
        while not all(call.done() for call in calls):
            if service.sent > len(sent):
                now = asyncio.get_running_loop().time() - started
                sent += [now] * (service.sent - len(sent))
            await asyncio.sleep(0.01)
        return sent

    sent = virtual_time.run(run())
    # The first five were sent together; afterwards each pause ends with one request, and a few
    # more until its response.
    for earliest in (1, 3, 7, 15):
        assert not [each for each in sent if earliest - 0.5 < each < earliest]
    assert len(sent) <= 5 + 4 * 3


def test_a_call_that_cannot_wait_is_rejected() -> None:
    """At once, with the wait until it could be sent, and nothing is sent for it."""

    async def run() -> None:
        service = Service(Window(1, 20))
        await service.call(1)
        await service.call(1)
        sent, started = service.sent, asyncio.get_running_loop().time()
        deadline = started + 5
        with pytest.raises(ThrottledError) as raised:
            await service.pacers[0].acquire(Call("", deadline, idempotent=True), again=False)
        assert asyncio.get_running_loop().time() == started
        assert service.sent == sent
        assert 19 < raised.value.retry_after < 20.5
        assert service.pacers[0].rejected_calls == 1

    virtual_time.run(run())


def test_a_pause_rejects_calls_that_wait_already() -> None:
    async def run() -> None:
        service = Service(Bucket(1, 1), max_wait=5)
        await service.call(1)
        waiting = [asyncio.create_task(service.call(30, caller=str(each))) for each in range(3)]
        await asyncio.sleep(0.5)
        service.quota = Window(0, 25)
        started = asyncio.get_running_loop().time()
        assert not any(await asyncio.gather(*waiting))
        assert asyncio.get_running_loop().time() - started < 6

    virtual_time.run(run())


def test_interactive_calls_precede_bulk_calls() -> None:
    """While both wait, a fifth of the requests is for bulk calls."""

    async def run() -> list[str]:
        service = Service(Bucket(100, 100), ceiling=10)
        order: list[str] = []

        async def call(kind: str) -> None:
            await service.call(60, caller=kind, bulk=kind == "bulk")
            order.append(kind)

        async with asyncio.TaskGroup() as calls:
            for kind in ["bulk"] * 50 + ["interactive"] * 50:
                calls.create_task(call(kind))
        return order

    order = virtual_time.run(run())
    first = order[5:55]
    assert 9 <= first.count("bulk") <= 11
    assert order[-30:] == ["bulk"] * 30


def test_callers_are_served_alternately() -> None:
    """The call of one with a single call does not wait for the hundred of another."""

    async def run() -> None:
        service = Service(Bucket(100, 100), ceiling=10)
        greedy = [asyncio.create_task(service.call(60, caller="greedy")) for _ in range(100)]
        await asyncio.sleep(0.5)
        started = asyncio.get_running_loop().time()
        assert await service.call(60, caller="modest")
        assert asyncio.get_running_loop().time() - started < 0.5
        await asyncio.gather(*greedy)

    virtual_time.run(run())


def test_a_cancelled_call_passes_its_turn_on() -> None:
    async def run() -> None:
        service = Service(Bucket(100, 100), ceiling=10)
        calls = [asyncio.create_task(service.call(60)) for _ in range(20)]
        await asyncio.sleep(0.45)
        for call in calls[5:15]:
            call.cancel()
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*calls, return_exceptions=True)
        # Ten calls in all: the cancelled ones have used no token.
        assert service.succeeded == 10
        assert asyncio.get_running_loop().time() - started < 0.7
        assert service.pacers[0].waiting == 0

    virtual_time.run(run())


def test_a_ceiling_is_never_exceeded() -> None:
    async def run() -> Service:
        service = Service(Bucket(1000, 1000), ceiling=20)
        await service.bulk(200)
        return service

    service = virtual_time.run(run())
    assert service.sent == 200
    assert service.pacers[0].rate == 20
    # 64 callers share 20 requests a second.
    assert max(service.waits) > 3


def test_a_raised_limit_is_used_soon() -> None:
    """Five times the limit is reached within half a minute, and a fall within seconds."""

    async def run() -> None:
        service = Service(Bucket(20, 20))
        load = asyncio.create_task(service.load(200, 60, deadline=3))
        await asyncio.sleep(15)
        assert service.pacers[0].rate < 30
        service.quota = Bucket(100, 100)
        await asyncio.sleep(30)
        assert service.pacers[0].rate > 80
        service.quota = Bucket(20, 1)
        await asyncio.sleep(5)
        assert service.pacers[0].rate < 40
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)

    virtual_time.run(run())


def test_an_episode_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Throttling is one warning at its begin and one line at its end, whatever is rejected."""
    caplog.set_level(logging.INFO)

    async def run() -> None:
        service = Service(Bucket(50, 50))
        await service.bulk(500)
        engaged = [service.pacers[0].engaged]
        await asyncio.sleep(60)
        engaged.append(service.pacers[0].engaged)
        assert engaged == [True, False]
        assert await service.call(1)

    virtual_time.run(run())
    begin, end = [record.getMessage() for record in caplog.records]
    assert begin.startswith("throttled: the Rooms service rejects room writes")
    assert end.startswith("no longer throttled: the Rooms service rejected")


@pytest.mark.parametrize("quota", [Window(1, 600), Window(1, 600, silent=True)])
def test_a_patient_call_waits_until_its_deadline(quota: Window) -> None:
    """However long a rejection asks to wait, and after any number of rejections."""

    async def outcomes() -> list[bool]:
        service = Service(quota)
        await service.call(1)
        return [
            await service.call(10_000),
            await service.call(300, patient=True),
            await service.call(10_000, patient=True),
        ]

    assert virtual_time.run(outcomes()) == [False, False, True]


def test_a_patient_call_survives_a_day_of_rejections() -> None:
    """Its waits do not grow beyond all bounds."""

    async def sent() -> int:
        service = Service(Window(0, 86_400, silent=True))
        assert not await service.call(86_400, patient=True)
        return service.sent

    assert 86_400 / 60 < virtual_time.run(sent()) < 86_400 / 20
