"""The soak and the load in small, and how growth is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import load, soak


@given(st.integers(-100, 100), st.integers(0, 1000), st.integers(2, 50))
def test_the_slope_of_a_line_is_found(rise: int, start: int, count: int) -> None:
    points = [(x, start + rise * x) for x in range(count)]
    assert soak.slope(points) == pytest.approx(rise)


async def test_a_small_soak_leaves_nothing() -> None:
    assert all(grown.flat for grown in await soak.run(0.0002))


async def test_callers_are_told_nothing_but_answers_or_overload() -> None:
    assert all(held.fine for held in await load.run(0.005))
