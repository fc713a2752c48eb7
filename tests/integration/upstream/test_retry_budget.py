"""Retry budget: the number of requests in an outage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.every_operation import get
from support.fast_gateway import quick_gateway
from support.gateways import UNKNOWN_ROOM, failure_of, upstream_of

from rooms_emulator import Emulator, Fault
from rooms_gateway.upstream.transport.sender import RetryBudget


@pytest.mark.proves("S52")
def test_the_budget_bounds_an_outage() -> None:
    """At most 1.2 requests per call, over 500 calls."""
    budget, requests = RetryBudget(), 0
    for _ in range(500):
        budget.deposit()
        requests += 1
        while budget.withdraw():
            requests += 1
    assert requests <= 1.2 * 500


@given(
    ratio=st.floats(0, 1),
    reserve=st.floats(0, 100),
    wanted=st.lists(st.integers(0, 5), max_size=300),
)
def test_the_budget_bounds_retries(ratio: float, reserve: float, wanted: list[int]) -> None:
    """Retries never exceed the reserve plus the ratio of the calls."""
    budget = RetryBudget(ratio, reserve)
    granted = 0
    for retries in wanted:
        budget.deposit()
        granted += sum(budget.withdraw() for _ in range(retries))
    assert granted <= reserve + ratio * len(wanted) + 1e-6


@pytest.mark.proves("S52")
async def test_the_budget_bounds_requests_in_an_outage(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    async with quick_gateway(
        upstream_of(emulator), budget=RetryBudget(ratio=0.1, reserve=4)
    ) as quick:
        for _ in range(40):
            failed = await failure_of(get(quick, UNKNOWN_ROOM))
            assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
    assert len(emulator.journal) <= 40 * 1.2


async def test_successful_calls_refill_the_budget(emulator: Emulator) -> None:
    [room] = emulator.store.seed(1)
    async with quick_gateway(
        upstream_of(emulator), budget=RetryBudget(ratio=0.5, reserve=1)
    ) as quick:
        emulator.faults.add(Fault(status=503, count=4))
        for _ in range(2):
            await failure_of(get(quick, room))
        emulator.faults.clear()
        for _ in range(2):
            await get(quick, room)
        emulator.faults.add(Fault(status=503))
        await get(quick, room)
