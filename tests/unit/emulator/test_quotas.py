"""Quotas: their text form, meters, families, and the wait that a rejection names."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator import Emulator
from rooms_emulator.clock import Clock
from rooms_emulator.identity import routes as identity_routes
from rooms_emulator.quotas.limits import Quotas
from rooms_emulator.quotas.meters import FixedWindow, TokenBucket
from rooms_emulator.quotas.model import MAX_COUNT, OPTIONS, Quota
from rooms_emulator.rooms import routes
from rooms_emulator.timestamps import TICKS_PER_SECOND
from rooms_gateway.upstream.transport.messages import OperationFamily

START = 1_741_220_403_250_000_000
"""2025-03-06T00:20:03.25Z, in nanoseconds since 1970."""

COUNTS = st.integers(1, 5) | st.integers(1, MAX_COUNT)
PERIODS = st.integers(1, 24 * 3600 * 1000)
STEPS = st.lists(st.integers(0, 3 * TICKS_PER_SECOND), max_size=60)


@dataclass
class Limited:
    """Quotas, and the time of their clock, in seconds since START."""

    quotas: Quotas
    time: float = 0.0

    def accepts(self, operation: str) -> bool:
        return self.quotas.take(operation) is None

    def statuses(self, operation: str, count: int) -> str:
        """Send `count` requests at once; `+` is an accepted one and `-` a rejected one."""
        return "".join("+" if self.accepts(operation) else "-" for _ in range(count))

    def headers(self, operation: str) -> dict[str, str]:
        rejection = self.quotas.take(operation)
        assert rejection is not None
        return dict(rejection.headers)


OPERATIONS = (*routes.OPERATIONS, *identity_routes.OPERATIONS)
FAMILIES = {**routes.OPERATION_FAMILIES, **identity_routes.OPERATION_FAMILIES}


def test_families_have_the_names_of_the_gateway() -> None:
    """The gateway reads no users, so it has no family for that."""
    assert FAMILIES.keys() - {"user-reads"} == set(OperationFamily)


def limited(*texts: str) -> Limited:
    clock = Clock(lambda: START + round(result.time * 1e9))
    result = Limited(Quotas(OPERATIONS, FAMILIES, clock))
    result.quotas.replace(texts)
    return result


@given(COUNTS, PERIODS, st.permutations([*OPTIONS]))
def test_text_form_round_trip(count: int, period: int, options: list[str]) -> None:
    """Every option sets its attribute, in any order, and the last unit is milliseconds."""
    chosen = {OPTIONS[option][0]: option for option in options}
    text = ",".join([f"reads={count}/{period}ms", *chosen.values()])
    quota = Quota.parse(text)
    assert (quota.text, quota.name, quota.count) == (text, "reads", count)
    assert quota.period * 1000 == period * TICKS_PER_SECOND
    for attribute, option in chosen.items():
        assert getattr(quota, attribute) == OPTIONS[option][1]


@pytest.mark.parametrize(
    ("text", "seconds"), [("1ms", 0.001), ("30s", 30), ("2m", 120), ("24h", 86400)]
)
def test_units_of_the_period(text: str, seconds: float) -> None:
    quota = Quota.parse(f"reads=1/{text}")
    assert quota == Quota(f"reads=1/{text}", "reads", 1, round(seconds * TICKS_PER_SECOND))


FORM = "expected NAME=COUNT/PERIOD, such as CreateRoom=100/1s"
COUNT = "COUNT must be an integer between 1 and 1000000"
PERIOD = "PERIOD must be an integer with one of the units ms, s, m and h, between 1ms and 24h"
REPEATED = "repeats or contradicts an earlier one"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", FORM),
        ("CreateRoom", FORM),
        ("CreateRoom=", FORM),
        ("CreateRoom=100", FORM),
        ("=100/1s", FORM),
        ("100/1s", FORM),
        ("CreateRoom=0/1s", COUNT),
        ("CreateRoom=-1/1s", COUNT),
        ("CreateRoom=1.5/1s", COUNT),
        ("CreateRoom=/1s", COUNT),
        ("CreateRoom=\N{SUPERSCRIPT TWO}/1s", COUNT),
        ("CreateRoom=1000001/1s", COUNT),
        (f"CreateRoom={'9' * 10_000}/1s", COUNT),
        ("CreateRoom=1/0s", PERIOD),
        ("CreateRoom=1/-1s", PERIOD),
        ("CreateRoom=1/s", PERIOD),
        ("CreateRoom=1/10", PERIOD),
        ("CreateRoom=1/1.5s", PERIOD),
        ("CreateRoom=1/25h", PERIOD),
        ("CreateRoom=1/1s/2", PERIOD),
        (f"CreateRoom=1/{'9' * 10_000}s", PERIOD),
        ("CreateRoom=1/1s,", "unknown option ''"),
        ("CreateRoom=1/1s,windw", "unknown option 'windw' (did you mean window?)"),
        ("CreateRoom=1/1s,retry-after=1", "unknown option 'retry-after=1' (did you mean retry-"),
        ("CreateRoom=1/1s,window,bucket", f"the option bucket {REPEATED}"),
        ("CreateRoom=1/1s,counted,counted", f"the option counted {REPEATED}"),
        ("CreateRoom=1/1s,retry-after=ms,retry-after=none", REPEATED),
        ("create=1/1s", "unknown operation 'create' (did you mean CreateRoom?): use one of Create"),
        ("CREATEROOM=1/1s", "(did you mean CreateRoom?)"),
        ("room-write=1/1s", "(did you mean room-writes?)"),
        ("*=1/1s", "unknown operation '*': use one of CreateRoom, "),
        ("\x1b[2J=1/1s", r"'\x1b[2J=1/1s': unknown operation '\x1b[2J'"),
    ],
)
def test_malformed_quota_is_a_value_error(text: str, sentence: str) -> None:
    """The error names the quota and the correction, is short, and leaves the quotas unchanged."""
    current = limited("reads=1/1s")
    with pytest.raises(ValueError, match="quota '") as raised:
        current.quotas.replace(["UpdateRoom=1/1s", text])
    message = str(raised.value)
    assert sentence in message
    assert len(message) < 700
    assert [state.quota for state in current.quotas.list()] == ["reads=1/1s"]


def test_two_quotas_of_one_name_are_an_error() -> None:
    with pytest.raises(ValueError, match="'reads=2/1s,window': there is another quota for reads"):
        Emulator(quotas=["reads=1/1s", "reads=2/1s,window"])


def test_each_operation_is_in_one_family() -> None:
    grouped = [each for family in FAMILIES.values() for each in family]
    assert sorted(grouped) == sorted(OPERATIONS)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("CreateRoom", {"CreateRoom"}),
        ("IssueAccessToken", {"IssueAccessToken"}),
        *((name, set(family)) for name, family in FAMILIES.items()),
        ("all", {*OPERATIONS, ""}),
    ],
)
def test_a_quota_limits_its_operations(name: str, limits: set[str]) -> None:
    """`all` also limits requests that address no operation."""
    for operation in (*OPERATIONS, ""):
        current = limited(f"{name}=1/1s")
        assert current.accepts(operation)
        assert current.accepts(operation) is (operation not in limits)


def test_operations_of_a_family_share_its_quota() -> None:
    current = limited("reads=2/1s")
    assert [current.accepts(each) for each in ("GetRoom", "ListRooms", "ListParticipants")] == [
        True,
        True,
        False,
    ]


def test_a_bucket_refills_token_by_token() -> None:
    current = limited("CreateRoom=4/1s")
    assert current.statuses("CreateRoom", 5) == "++++-"
    current.time = 0.25
    assert current.statuses("CreateRoom", 2) == "+-"
    current.time = 60.0
    assert current.statuses("CreateRoom", 5) == "++++-"


def test_a_window_allows_all_at_its_start() -> None:
    """The first request opens it, and it ends a period later."""
    current = limited("CreateRoom=3/10s,window")
    current.time = 5.0
    assert current.statuses("CreateRoom", 1) == "+"
    current.time = 14.999
    assert current.statuses("CreateRoom", 3) == "++-"
    current.time = 15.0
    assert current.statuses("CreateRoom", 4) == "+++-"


def test_a_counted_rejection_empties_the_bucket() -> None:
    """Requests at twice the rate get nothing until they stop for the time of one token."""
    counted, free = limited("CreateRoom=1/1s,counted"), limited("CreateRoom=1/1s")
    statuses = ["", ""]
    for step in range(9):
        for index, current in enumerate((counted, free)):
            current.time = step / 2
            statuses[index] += current.statuses("CreateRoom", 1)
    assert statuses == ["+--------", "+-+-+-+-+"]
    counted.time += 1.0
    assert counted.accepts("CreateRoom")


def test_a_request_needs_all_of_its_quotas() -> None:
    """A rejected request costs nothing of the others, except of those that are `counted`."""
    current = limited("CreateRoom=1/1s", "room-writes=3/1h", "all=3/1h,counted")
    assert current.statuses("CreateRoom", 2) == "+-"
    assert [(each.accepted, each.rejected) for each in current.quotas.list()] == [
        (1, 1),
        (1, 0),
        (1, 0),
    ]
    assert current.statuses("UpdateRoom", 2) == "+-"
    assert [each.rejected for each in current.quotas.list()] == [1, 0, 1]


def test_the_longest_wait_is_named() -> None:
    current = limited("CreateRoom=1/1s", "room-writes=1/7s,retry-after=fraction", "all=1/2s")
    assert current.accepts("CreateRoom")
    rejection = current.quotas.take("CreateRoom")
    assert rejection == ("room-writes=1/7s,retry-after=fraction", {"Retry-After": "7.0"})


@pytest.mark.parametrize(
    ("option", "headers"),
    [
        ("bucket", {"Retry-After": "2"}),
        ("retry-after=seconds", {"Retry-After": "2"}),
        ("retry-after=fraction", {"Retry-After": "1.112"}),
        ("retry-after=date", {"Retry-After": "Thu, 06 Mar 2025 00:20:05 GMT"}),
        ("retry-after=ms", {"retry-after-ms": "1112"}),
        ("retry-after=x-ms", {"x-ms-retry-after-ms": "1112"}),
        ("retry-after=none", {}),
    ],
)
def test_spellings_of_the_wait(option: str, headers: dict[str, str]) -> None:
    """The wait is rounded up to the resolution of its header."""
    current = limited(f"CreateRoom=9/10s,{option}")
    current.statuses("CreateRoom", 9)
    assert current.headers("CreateRoom") == headers


@pytest.mark.parametrize(
    ("quota", "at", "wait"),
    [
        ("CreateRoom=100/1s", 0.0, "10"),
        ("CreateRoom=100/1s", 0.004, "6"),
        ("CreateRoom=100/1s,counted", 0.004, "10"),
        ("CreateRoom=100/1s,window", 0.004, "996"),
    ],
)
def test_wait_until_the_next_accepted_request(quota: str, at: float, wait: str) -> None:
    """That is until the next token, and until the end of a window."""
    current = limited(f"{quota},retry-after=ms")
    current.statuses("CreateRoom", 100)
    current.time = at
    assert current.headers("CreateRoom") == {"retry-after-ms": wait}
    current.time = at + int(wait) / 1000
    assert current.accepts("CreateRoom")


@pytest.mark.parametrize(("options", "after_it"), [("", "-"), (",window", "+")])
def test_a_clock_that_is_moved_back(options: str, after_it: str) -> None:
    """It leaves a bucket as it is, and begins a new window."""
    current = limited(f"CreateRoom=1/1h{options}")
    assert current.statuses("CreateRoom", 2) == "+-"
    current.time = -7200.0
    assert current.statuses("CreateRoom", 1) == after_it


@given(COUNTS, PERIODS, STEPS)
def test_a_bucket_never_exceeds_its_rate(count: int, period: int, steps: list[int]) -> None:
    """From any instant on it allows a burst, and the refill; its wait is exact to one tick."""
    bucket, now = TokenBucket(count, period), 10**16
    start = now
    for accepted, step in enumerate(steps, start=1):
        now += step
        wait = bucket.wait(now)
        if wait:
            assert bucket.wait(now + wait - 1) == 1
            now += wait
            assert bucket.wait(now) == 0
        bucket.take()
        assert accepted * period <= count * (period + now - start)


@given(st.integers(1, 5), PERIODS, STEPS)
def test_a_window_never_exceeds_its_count(count: int, period: int, steps: list[int]) -> None:
    """Two windows can touch, so that any period has at most twice the count."""
    window, now = FixedWindow(count, period), 10**16
    accepted: list[int] = []
    for step in steps:
        now += step
        now += window.wait(now)
        assert window.wait(now) == 0
        window.take()
        accepted.append(now)
    for first, last in zip(accepted, accepted[2 * count :], strict=False):
        assert last - first >= period
