"""Small runs of soak and load, and the slope of memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import load, soak


@given(st.integers(-100, 100), st.integers(0, 1000), st.integers(2, 50))
def test_the_slope_of_a_line(rise: int, start: int, count: int) -> None:
    points = [(x, start + rise * x) for x in range(count)]
    assert soak.slope(points) == pytest.approx(rise)


async def test_a_small_soak_leaks_nothing() -> None:
    assert all(grown.flat for grown in await soak.run(0.0002))


async def test_load_causes_no_error_but_overload() -> None:
    assert all(held.fine for held in await load.run(0.005))


@pytest.mark.parametrize(
    ("codes", "rss", "fine"),
    [
        ({"OK": 9, "RESOURCE_EXHAUSTED ERROR_REASON_GATEWAY_OVERLOADED": 1}, 100, True),
        ({"OK": 9, "RESOURCE_EXHAUSTED ERROR_REASON_THROTTLED": 1}, 100, False),
        ({"OK": 10}, 101, False),
    ],
)
def test_load_is_fine_without_other_errors(*, codes: dict[str, int], rss: int, fine: bool) -> None:
    """And if the memory is within its bound."""
    assert load.Held(16, 10, 1.0, 1.0, 1.0, 1.0, codes, rss, bound=100).fine is fine
