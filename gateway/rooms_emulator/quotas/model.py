"""Model of a quota, and its text form `NAME=COUNT/PERIOD[,OPTION…]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Self

from rooms_emulator.suggestions import unknown
from rooms_emulator.timestamps import TICKS_PER_DAY, TICKS_PER_SECOND

MAX_COUNT = 1_000_000

RetryAfter = Literal["seconds", "fraction", "date", "ms", "x-ms", "none"]
"""Form in which a rejection names its wait: `Retry-After` in whole seconds, in seconds with a
fraction or as a date, `retry-after-ms`, `x-ms-retry-after-ms`, or not at all."""

OPTIONS: Mapping[str, tuple[str, Any]] = MappingProxyType(
    {
        "bucket": ("window", False),
        "window": ("window", True),
        "counted": ("counted", True),
        "retry-after=seconds": ("retry_after", "seconds"),
        "retry-after=fraction": ("retry_after", "fraction"),
        "retry-after=date": ("retry_after", "date"),
        "retry-after=ms": ("retry_after", "ms"),
        "retry-after=x-ms": ("retry_after", "x-ms"),
        "retry-after=none": ("retry_after", "none"),
    }
)
"""Attribute that each option sets, and its value."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_PERIOD = re.compile(r"([0-9]{1,18})(ms|s|m|h)")
_TICKS = {
    "ms": TICKS_PER_SECOND // 1000,
    "s": TICKS_PER_SECOND,
    "m": 60 * TICKS_PER_SECOND,
    "h": 3600 * TICKS_PER_SECOND,
}


@dataclass(frozen=True, slots=True)
class Quota:
    """Number of requests that a period allows, and the form of a rejection."""

    text: str
    """The quota as it was given."""
    name: str
    """Operation, such as `CreateRoom`, or operation family, which shares the quota."""
    count: int
    """Number of requests per period."""
    period: int
    """Length of the period, in ticks (see `timestamps`)."""
    window: bool = False
    """Use a fixed window, which the first request opens, in place of a token bucket."""
    counted: bool = False
    """Count rejected requests too."""
    retry_after: RetryAfter = "seconds"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `NAME=COUNT/PERIOD[,OPTION…]`. Raises ValueError if the text is malformed."""
        name, _, definition = text.partition("=")
        rate, *options = definition.split(",")
        count, slash, period = rate.partition("/")
        if not (name and slash):
            raise ValueError("expected NAME=COUNT/PERIOD, such as CreateRoom=100/1s")
        if not (_NUMBER.fullmatch(count) and 1 <= int(count) <= MAX_COUNT):
            raise ValueError(f"COUNT must be an integer between 1 and {MAX_COUNT}")
        return cls(text, name, int(count), _period(period), **_values(options))


def _period(text: str) -> int:
    match = _PERIOD.fullmatch(text)
    ticks = int(match[1]) * _TICKS[match[2]] if match else 0
    if not 0 < ticks <= TICKS_PER_DAY:
        raise ValueError(
            "PERIOD must be an integer with one of the units ms, s, m and h, between 1ms and 24h"
        )
    return ticks


def _values(options: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for option in options:
        if option not in OPTIONS:
            raise ValueError(unknown("option", option, OPTIONS))
        attribute, value = OPTIONS[option]
        if attribute in values:
            raise ValueError(f"the option {option} repeats or contradicts an earlier one: drop one")
        values[attribute] = value
    return values
