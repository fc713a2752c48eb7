"""Measuring all arms in turn, again and again, so that what drifts hits all of them alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from benchmarks.speed.contenders import Arm
from benchmarks.speed.measure import Load, MeasurementError, Sample, ask
from benchmarks.speed.processes import Running
from benchmarks.speed.progress import say
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import Work

Samples = dict[tuple[str, str], list[Sample]]
"""By the names of work and arm, in the order of the rounds."""


@dataclass(slots=True)
class Field:
    """The arms, each started when it is first needed and kept until the end."""

    stub: Stub
    load: Load
    parts: ExitStack
    _running: dict[tuple[str, bool], Running] = field(default_factory=dict)

    def measure(self, arm: Arm, work: Work, seconds: float) -> Sample:
        """Have `arm` do `work`. Raises NotReadyError and MeasurementError."""
        key = (arm.name, work.tls)
        if key not in self._running:
            self._running[key] = self.parts.enter_context(arm.running(self.stub, tls=work.tls))
        if work.streams:
            self.stub.shape(work.pages, work.size)
        if arm.in_process:
            return ask(work, self._running[key], seconds=seconds)
        return self.load.run(work, [self._running[key]], seconds=seconds, request=arm.request(work))


def interleaved(
    stub: Stub, load: Load, arms: Sequence[Arm], works: Sequence[Work], rounds: int, seconds: float
) -> Samples:
    """Measure each work with each arm, `rounds` times its weight, all arms in each round.

    Each round has an order of its own, so that no arm always comes after the same other one. The
    same work over TLS is done in the same rounds. An arm that does a work wrongly is left out of
    it, and that is said.
    """
    samples: Samples = {}
    with ExitStack() as parts:
        everyone = Field(stub, load, parts)
        for number, alike in enumerate(_together(works), 1):
            able = [(work, arm) for arm in arms for work in alike if arm.does(work)]
            # For a table in the order of the arms.
            samples |= {(work.name, arm.name): [] for work, arm in able}
            turns = rounds * alike[0].weight
            for turn in range(1, turns + 1):
                for work, arm in Random(turn).sample(able, len(able)):
                    say(f"[{number}] {work.name}: round {turn} of {turns}, {arm.name}")
                    try:
                        sample = everyone.measure(arm, work, seconds)
                    except MeasurementError as error:
                        say(f"{work.name}, {arm.name}: {error}\n")
                        able.remove((work, arm))
                        del samples[work.name, arm.name]
                        continue
                    samples[work.name, arm.name].append(sample)
    say("")
    return samples


def _together(works: Sequence[Work]) -> Iterable[list[Work]]:
    """Put works together that differ in TLS only."""
    alike: dict[str, list[Work]] = {}
    for work in works:
        alike.setdefault(work.plain_name, []).append(work)
    return alike.values()
