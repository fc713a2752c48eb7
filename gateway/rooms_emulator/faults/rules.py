"""The list of faults, and which of them strikes a request.

The rules stand in a list. Each request goes down the list; the first rule that applies to its
operation, has skipped as many requests as it should, is not used up, and whose draw hits, strikes,
and only that one.
"""

from collections.abc import Iterable
from random import Random
from typing import Final

import msgspec

from rooms_emulator.faults.model import EVERY, Fault

MOST_RULES: Final = 1000
LARGEST_SEED: Final = (1 << 53) - 1
"""What every JSON reader can read without loss."""


class Rule(msgspec.Struct, rename="camel"):
    """A fault in the list, and how often it has matched and struck so far."""

    id: int
    fault: Fault
    matched: int = 0
    struck: int = 0


class Strike(msgspec.Struct, frozen=True):
    """A fault that strikes one request, with what was drawn for it.

    Attributes:
        id: that of the rule.
        fault: what goes wrong.
        latency: seconds to wait, the jitter included.
        status: the status to answer with; ``None`` is the operation's own.

    """

    id: int
    fault: Fault
    latency: float
    status: int | None


class Faults:
    """The list of rules.

    What is drawn for the n-th match of a rule depends on the seed, the rule's id and n alone: the
    same seed, rules and requests lead to the same strikes, whatever else is asked in between.

    Args:
        operations: the operations that there are.
        seed: decides all that is drawn.

    Attributes:
        seed: as given, or as ``replace`` was told.

    """

    def __init__(self, operations: tuple[str, ...], seed: int) -> None:
        self._operations = operations
        self._rules: list[tuple[Rule, Random]] = []
        self._last_id = 0
        self.seed = seed

    def add(self, fault: Fault) -> int:
        """Put a fault at the end of the list.

        Returns:
            The id of the rule.

        Raises:
            ValueError: there is no such operation, or there are too many faults.

        """
        self._check(fault)
        if len(self._rules) >= MOST_RULES:
            raise ValueError(f"there are {MOST_RULES} faults already: clear them")
        self._last_id += 1
        source = Random(f"{self.seed}:{self._last_id}")  # noqa: S311 - to be repeated, not secret
        self._rules.append((Rule(self._last_id, fault), source))
        return self._last_id

    def replace(self, faults: Iterable[Fault], seed: int | None = None) -> None:
        """Put faults in the place of all; their ids count from 1.

        Args:
            faults: the faults, in order.
            seed: decides all that is drawn from now on; by default the one before goes on.

        Raises:
            ValueError: as of ``add``, and nothing was changed.

        """
        fresh = Faults(self._operations, self.seed if seed is None else seed)
        for index, fault in enumerate(faults):
            try:
                fresh.add(fault)
            except ValueError as error:
                raise ValueError(f"faults[{index}]: {error}") from None
        self._rules, self._last_id, self.seed = fresh._rules, fresh._last_id, fresh.seed

    def list(self) -> tuple[Rule, ...]:
        """Give the rules in their order, used up ones too."""
        return tuple(rule for rule, _ in self._rules)

    def clear(self) -> None:
        """Remove every rule."""
        self._rules.clear()

    def strike(self, operation: str) -> Strike | None:
        """Count a request of this operation, and give what strikes it, if anything."""
        for rule, source in self._rules:
            fault = rule.fault
            if fault.operation not in (EVERY, operation):
                continue
            if fault.count is not None and rule.struck >= fault.count:
                continue
            rule.matched += 1
            if rule.matched <= fault.skip:
                continue
            # All three each time, so that what one decides does not shift the others.
            hit, late, which = source.random(), source.random(), source.random()
            if hit >= fault.probability:
                continue
            rule.struck += 1
            latency = fault.latency + late * fault.jitter
            statuses = fault.statuses
            status = statuses[int(which * len(statuses))] if statuses else None
            return Strike(rule.id, fault, latency, status)
        return None

    def _check(self, fault: Fault) -> None:
        if fault.operation not in (EVERY, *self._operations):
            known = ", ".join(self._operations)
            raise ValueError(
                f"operation: there is no {fault.operation!r}; there are {known} and {EVERY}"
            )
