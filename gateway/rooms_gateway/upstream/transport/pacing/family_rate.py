"""Configured rates of operation families."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rooms_gateway.upstream.transport.messages import OperationFamily

PUBLISHED_RATES: Mapping[OperationFamily, float] = MappingProxyType(
    {
        OperationFamily.USER_CREATES: 1000 / 30,
        OperationFamily.USER_DELETES: 500 / 30,
        OperationFamily.TOKEN_ISSUES: 1000 / 30,
        OperationFamily.TOKEN_REVOCATIONS: 500 / 30,
        OperationFamily.TOKEN_EXCHANGES: 500 / 30,
    }
)
"""Requests per second that Microsoft publishes: "Service limits for Communication Services"."""


@dataclass(frozen=True, slots=True)
class FamilyRate:
    """Highest rate of an operation family, as in `room-writes=20`."""

    family: OperationFamily
    rate: float
    """Requests per second."""

    def __str__(self) -> str:
        return f"{self.family.value}={self.rate:g}"

    @classmethod
    def parse(cls, text: str) -> FamilyRate:
        """Parse `FAMILY=N`. Raises ValueError with one sentence."""
        name, _, number = text.partition("=")
        families = [family.value for family in OperationFamily]
        if name not in families:
            raise ValueError(f"must be FAMILY=N with one of {', '.join(families)}")
        try:
            rate = float(number)
        except ValueError:
            rate = math.nan
        if not 0 < rate < math.inf:
            raise ValueError(f"{name} must have a number of requests per second above 0")
        return cls(OperationFamily(name), rate)
