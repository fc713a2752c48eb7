"""The ordered list of faults, and the selection of the fault for each request.

The rules are tried in order. The first one that matches the operation, has skipped its first
requests, is not used up and wins its draw is injected, and no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec

from rooms_emulator.faults.model import EVERY_OPERATION, Fault

MAX_RULES = 1000
MAX_SEED = (1 << 53) - 1
"""The largest integer that every JSON parser reads without loss."""


class Rule(msgspec.Struct, rename="camel"):
    """A fault in the list, with its counters."""

    id: int
    fault: Fault
    matched: int = 0
    """Number of requests that the fault applied to, skipped ones included."""
    struck: int = 0
    """Number of requests that the fault was injected into."""


class InjectedFault(msgspec.Struct, frozen=True):
    """The fault for one request, with the values drawn for it."""

    id: int
    """Id of the rule."""
    fault: Fault
    latency: float
    """Delay, jitter included, in seconds."""
    status: int | None
    """HTTP status to respond with; None for that of the operation."""


class Faults:
    """The list of rules.

    The draws for the n-th match of a rule depend only on the seed, the rule's id and n: equal
    seeds, rules and requests select equal faults, whatever other requests come in between.
    """

    def __init__(self, operations: tuple[str, ...], seed: int) -> None:
        self.operations = operations
        """Operations that a fault can apply to."""
        self._rules: list[tuple[Rule, Random]] = []
        self._last_id = 0
        self.seed = seed
        """Seed of all draws."""

    def add(self, fault: Fault) -> int:
        """Append a fault; return the id of its rule.

        Raises ValueError if its operation is unknown or the list is full.
        """
        self._check(fault)
        if len(self._rules) >= MAX_RULES:
            raise ValueError(f"the list has {MAX_RULES} faults, which is the limit: clear it first")
        self._last_id += 1
        source = Random(f"{self.seed}:{self._last_id}")  # noqa: S311 - reproducible, not secret
        self._rules.append((Rule(self._last_id, fault), source))
        return self._last_id

    def replace(self, faults: Iterable[Fault], seed: int | None = None) -> None:
        """Replace all faults, with ids from 1; `seed` is the new seed, or None to keep it.

        Raises ValueError as `add` does, and then changes nothing.
        """
        fresh = Faults(self.operations, self.seed if seed is None else seed)
        for index, fault in enumerate(faults):
            try:
                fresh.add(fault)
            except ValueError as error:
                raise ValueError(f"faults[{index}]: {error}") from None
        self._rules, self._last_id, self.seed = fresh._rules, fresh._last_id, fresh.seed

    def list(self) -> tuple[Rule, ...]:
        """Return the rules in order, including those that are used up."""
        return tuple(rule for rule, _ in self._rules)

    def remove(self, rule_id: int) -> None:
        """Remove one rule; the others keep their counters. Raises ValueError if it is unknown."""
        kept = [each for each in self._rules if each[0].id != rule_id]
        if len(kept) == len(self._rules):
            raise ValueError(f"there is no fault with the id {rule_id}")
        self._rules = kept

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def select(self, operation: str) -> InjectedFault | None:
        """Count a request for `operation`; return the fault to inject, if any."""
        for rule, source in self._rules:
            fault = rule.fault
            if fault.operation not in (EVERY_OPERATION, operation):
                continue
            if fault.count is not None and rule.struck >= fault.count:
                continue
            rule.matched += 1
            if rule.matched <= fault.skip:
                continue
            # Always three draws, so that the result of one does not shift the others.
            hit, late, which = source.random(), source.random(), source.random()
            if hit >= fault.probability:
                continue
            rule.struck += 1
            latency = fault.latency + late * fault.jitter
            statuses = fault.statuses
            status = statuses[int(which * len(statuses))] if statuses else None
            return InjectedFault(rule.id, fault, latency, status)
        return None

    def _check(self, fault: Fault) -> None:
        if fault.operation not in (EVERY_OPERATION, *self.operations):
            known = ", ".join((*self.operations, EVERY_OPERATION))
            raise ValueError(f"operation: unknown {fault.operation!r}: use one of {known}")
