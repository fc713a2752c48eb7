"""Slots are granted fairly, in whatever order calls arrive, end and are cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fast_gateway import longest

from rooms_gateway.errors import DeadlineExceededError, OverloadedError
from rooms_gateway.server.admission import ConcurrencyLimiter, Limits, host_of

RUNNING, QUEUED, PER_CALLER = 3, 4, 2
SETTLED = 10
"""Iterations of the event loop after which all ready tasks have run."""


@dataclass(slots=True)
class Calls:
    """Calls that run until `end` is called."""

    limiter: ConcurrencyLimiter
    started: list[str] = field(default_factory=list)
    """The callers of all calls that acquired a slot, in that order."""
    rejected: int = 0
    running: dict[asyncio.Event, str] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def arrive(self, caller: str) -> None:
        self.tasks.append(asyncio.ensure_future(self.call(caller)))

    async def call(self, caller: str, seconds: float = 60) -> None:
        try:
            if not self.limiter.try_acquire(caller):
                await self.limiter.acquire(caller, seconds)
        except OverloadedError:
            self.rejected += 1
            return
        end = asyncio.Event()
        self.started.append(caller)
        self.running[end] = caller
        try:
            await end.wait()
        finally:
            del self.running[end]
            self.limiter.release(caller)

    async def end(self, number: int = 0) -> None:
        if self.running:
            list(self.running)[number % len(self.running)].set()

    def cancel(self, number: int) -> None:
        if self.tasks:
            self.tasks[number % len(self.tasks)].cancel()


async def settle() -> None:
    for _ in range(SETTLED):
        await asyncio.sleep(0)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from("abc")),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 99)),
        # Without it, the next event happens at the same time.
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=60,
)


@given(events=EVENTS)
def test_limits_hold_and_all_slots_are_released(
    events: list[tuple[str, str | int]],
) -> None:
    async def run_events() -> None:
        limiter = ConcurrencyLimiter("calls", Limits(RUNNING, QUEUED, PER_CALLER))
        calls = Calls(limiter)
        for event, value in events:
            if event == "arrive":
                calls.arrive(str(value))
            elif event == "end":
                await calls.end(int(value))
            elif event == "cancel":
                calls.cancel(int(value))
            else:
                await settle()
                assert limiter.running == len(calls.running)
            by_caller = Counter(calls.running.values())
            assert len(calls.running) <= limiter.running <= RUNNING
            assert limiter.queued <= QUEUED
            assert all(count <= PER_CALLER for count in by_caller.values())
        await settle()
        by_caller = Counter(calls.running.values())
        # No slot is free that a queued call may take.
        for caller in limiter._queue:
            assert limiter.running == RUNNING or by_caller[caller] == PER_CALLER
        while calls.running:
            await calls.end()
            await settle()
        assert all(task.done() for task in calls.tasks)
        assert (limiter.running, limiter.queued) == (0, 0)
        assert not limiter._queue
        assert not limiter._running_by_caller

    asyncio.run(run_events())


@pytest.mark.proves("S13")
async def test_slots_are_granted_to_callers_alternately() -> None:
    """The number of queued calls of a caller does not matter."""
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 10)))
    for caller in ("greedy",) * 6 + ("a", "b"):
        calls.arrive(caller)
    for _ in calls.tasks:
        await settle()
        await calls.end()
    await settle()
    assert calls.started[:5] == ["greedy", "greedy", "a", "b", "greedy"]
    assert len(calls.started) == 8


async def test_full_queue_evicts_from_greedier_callers() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 4)))
    for caller in ("greedy",) * 5 + ("a", "a", "a"):
        calls.arrive(caller)
        await settle()
    # Two of each are queued: the third of `a` has no greedier caller to evict.
    assert calls.rejected == 3
    assert calls.limiter.queued == 4
    while calls.running:
        await calls.end()
        await settle()
    assert calls.started == ["greedy", "greedy", "a", "greedy", "a"]


async def test_caller_at_its_limit_blocks_no_others() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(3, 4, 1)))
    for caller in ("a", "a", "b"):
        calls.arrive(caller)
    await settle()
    assert (calls.started, calls.limiter.queued) == (["a", "b"], 1)
    await calls.end(1)
    await settle()
    assert calls.started == ["a", "b"]
    await calls.end(0)
    await settle()
    assert calls.started == ["a", "b", "a"]
    await calls.end(0)


async def test_wait_past_the_deadline_leaves_the_queue() -> None:
    limiter = ConcurrencyLimiter("calls", Limits(1, 1))
    assert limiter.try_acquire("a")
    with pytest.raises(DeadlineExceededError):
        await limiter.acquire("a", 0.01)
    assert (limiter.running, limiter.queued) == (1, 0)


async def test_slot_of_a_cancelled_call_is_reused() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 2)))
    for caller in "abc":
        calls.arrive(caller)
    await settle()
    calls.limiter.release("a")
    calls.tasks[1].cancel()
    await settle()
    assert calls.started == ["a", "c"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(1, 0), "the gateway is at its limit of 1 concurrent calls"),
        (Limits(2, 0, 1), "the caller is at its limit of 1 concurrent calls"),
    ],
)
async def test_rejection_has_limit_and_retry_time(limits: Limits, message: str) -> None:
    limiter = ConcurrencyLimiter("calls", limits, uniform=longest)
    assert limiter.try_acquire("a")
    assert not limiter.try_acquire("a")
    with pytest.raises(OverloadedError, match=message) as raised:
        await limiter.acquire("a", 1)
    assert raised.value.retry_after == 1.5


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.1:4242", "ipv4:10.0.0.1"),
        ("ipv4:10.0.0.1:4243", "ipv4:10.0.0.1"),
        ("ipv6:%5B::1%5D:4242", "ipv6:%5B::1%5D"),
        ("unix:", "unix"),
        ("unix:/run/rooms/client.sock", "unix"),
        ("", "unix"),
    ],
)
def test_unauthenticated_callers_are_their_host(peer: str, host: str) -> None:
    assert host_of(peer) == host
