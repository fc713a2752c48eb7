"""Places are shared out as they should be, whatever order calls come, end and are given up in."""

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
"""Turns of the event loop after which everything that could happen has happened."""


@dataclass(slots=True)
class Calls:
    """Calls that go on until they are told to end."""

    places: ConcurrencyLimiter
    started: list[str] = field(default_factory=list)
    """The callers of all calls that got a place, in that order."""
    refused: int = 0
    running: dict[asyncio.Event, str] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def arrive(self, caller: str) -> None:
        self.tasks.append(asyncio.ensure_future(self.call(caller)))

    async def call(self, caller: str, seconds: float = 60) -> None:
        try:
            if not self.places.take(caller):
                await self.places.wait(caller, seconds)
        except OverloadedError:
            self.refused += 1
            return
        end = asyncio.Event()
        self.started.append(caller)
        self.running[end] = caller
        try:
            await end.wait()
        finally:
            del self.running[end]
            self.places.leave(caller)

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
        # Without it, what comes next happens at the same time.
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=60,
)


@given(events=EVENTS)
def test_there_are_never_too_many_nobody_is_forgotten_and_all_places_come_back(
    events: list[tuple[str, str | int]],
) -> None:
    async def go_through() -> None:
        places = ConcurrencyLimiter("calls", Limits(RUNNING, QUEUED, PER_CALLER))
        calls = Calls(places)
        for event, value in events:
            if event == "arrive":
                calls.arrive(str(value))
            elif event == "end":
                await calls.end(int(value))
            elif event == "cancel":
                calls.cancel(int(value))
            else:
                await settle()
                assert places.running == len(calls.running)
            by_caller = Counter(calls.running.values())
            assert len(calls.running) <= places.running <= RUNNING
            assert places.queued <= QUEUED
            assert all(count <= PER_CALLER for count in by_caller.values())
        await settle()
        by_caller = Counter(calls.running.values())
        # Who waits has to: there is no place that it could have.
        for caller in places._queue:
            assert places.running == RUNNING or by_caller[caller] == PER_CALLER
        while calls.running:
            await calls.end()
            await settle()
        assert all(task.done() for task in calls.tasks)
        assert (places.running, places.queued) == (0, 0)
        assert not places._queue
        assert not places._running_by_caller

    asyncio.run(go_through())


@pytest.mark.proves("S13")
async def test_callers_take_turns_however_many_calls_one_of_them_has_waiting() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 10)))
    for caller in ("greedy",) * 6 + ("a", "b"):
        calls.arrive(caller)
    for _ in calls.tasks:
        await settle()
        await calls.end()
    await settle()
    assert calls.started[:5] == ["greedy", "greedy", "a", "b", "greedy"]
    assert len(calls.started) == 8


async def test_a_full_queue_makes_room_for_a_caller_who_has_fewer_waiting() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 4)))
    for caller in ("greedy",) * 5 + ("a", "a", "a"):
        calls.arrive(caller)
        await settle()
    # Two of each wait: the third of a has nobody who could be asked to make room.
    assert calls.refused == 3
    assert calls.places.queued == 4
    while calls.running:
        await calls.end()
        await settle()
    assert calls.started == ["greedy", "greedy", "a", "greedy", "a"]


async def test_a_caller_at_its_own_limit_waits_and_does_not_hold_up_the_others() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(3, 4, 1)))
    for caller in ("a", "a", "b"):
        calls.arrive(caller)
    await settle()
    assert (calls.started, calls.places.queued) == (["a", "b"], 1)
    await calls.end(1)
    await settle()
    assert calls.started == ["a", "b"]
    await calls.end(0)
    await settle()
    assert calls.started == ["a", "b", "a"]
    await calls.end(0)


async def test_who_has_waited_past_its_deadline_is_told_so_and_leaves_the_queue() -> None:
    places = ConcurrencyLimiter("calls", Limits(1, 1))
    assert places.take("a")
    with pytest.raises(DeadlineExceededError):
        await places.wait("a", 0.01)
    assert (places.running, places.queued) == (1, 0)


async def test_a_place_that_comes_together_with_a_cancellation_goes_to_the_next() -> None:
    calls = Calls(ConcurrencyLimiter("calls", Limits(1, 2)))
    for caller in "abc":
        calls.arrive(caller)
    await settle()
    calls.places.leave("a")
    calls.tasks[1].cancel()
    await settle()
    assert calls.started == ["a", "c"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(1, 0), "the gateway serves 1 calls already"),
        (Limits(2, 0, 1), "the caller has 1 calls under way already"),
    ],
)
async def test_a_refusal_says_whose_limit_it_is_and_when_to_come_again(
    limits: Limits, message: str
) -> None:
    places = ConcurrencyLimiter("calls", limits, uniform=longest)
    assert places.take("a")
    assert not places.take("a")
    with pytest.raises(OverloadedError, match=message) as raised:
        await places.wait("a", 1)
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
def test_callers_that_nothing_is_known_of_are_their_host(peer: str, host: str) -> None:
    assert host_of(peer) == host
