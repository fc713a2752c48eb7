"""Backoff by attempt: the retry policy as a pure function."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.fast_gateway import longest

from rooms_gateway.upstream.transport.sender import RetryPolicy

attempts = st.integers(1, 100)
retry_afters = st.floats(0, allow_nan=False)


@given(attempt=attempts, jitter=st.floats(0, 1))
def test_backoff_is_within_the_cap(attempt: int, jitter: float) -> None:
    policy = RetryPolicy(max_attempts=101, uniform=lambda low, high: low + jitter * (high - low))
    wait = policy.wait(attempt, None)
    assert wait is not None
    assert 0 <= wait <= min(policy.cap, policy.base * 2 ** (attempt - 1))


@given(attempt=attempts)
def test_the_longest_backoff_never_decreases(attempt: int) -> None:
    policy = RetryPolicy(max_attempts=200, uniform=longest)
    first, second = policy.wait(attempt, None), policy.wait(attempt + 1, None)
    assert first is not None
    assert second is not None
    assert first <= second <= policy.cap


@given(attempt=attempts, seconds=retry_afters)
def test_backoff_is_at_least_retry_after(attempt: int, seconds: float) -> None:
    policy = RetryPolicy(max_attempts=101)
    wait = policy.wait(attempt, seconds)
    if seconds > policy.retry_after_cap:
        assert wait is None
    else:
        assert wait is not None
        assert seconds <= wait <= seconds + policy.base


@given(attempt=attempts, most=attempts, seconds=st.none() | retry_afters)
def test_max_attempts_bounds_the_attempts(attempt: int, most: int, seconds: float | None) -> None:
    if attempt >= most:
        assert RetryPolicy(max_attempts=most).wait(attempt, seconds) is None
