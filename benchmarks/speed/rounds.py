"""Interleaved measurements of all arms, so that drift of the machine affects all alike."""

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
"""Samples by the names of workload and arm, in the order of the rounds."""


@dataclass(slots=True)
class Field:
    """The running arms; each is started at its first use and kept until the end."""

    stub: Stub
    load: Load
    parts: ExitStack
    _running: dict[tuple[str, bool], Running] = field(default_factory=dict)

    def running(self, arm: Arm, *, tls: bool) -> Running:
        """Return the server of `arm`, started if necessary. Raises NotReadyError if that fails."""
        key = (arm.name, tls)
        if key not in self._running:
            self._running[key] = self.parts.enter_context(arm.running(self.stub, tls=tls))
        return self._running[key]

    def measure(self, arm: Arm, work: Work, seconds: float) -> Sample:
        """Measure `work` on `arm`.

        Raises NotReadyError if the arm does not start, MeasurementError if a response is wrong.
        """
        running = self.running(arm, tls=work.tls)
        if work.streams:
            self.stub.shape(work.pages, work.size)
        if arm.in_process:
            return ask(work, running, seconds=seconds)
        return self.load.run(work, [running], seconds=seconds, request=arm.request(work))


def interleaved(
    stub: Stub, load: Load, arms: Sequence[Arm], works: Sequence[Work], rounds: int, seconds: float
) -> Samples:
    """Measure each workload on each arm, `rounds` times its weight, with all arms in each round.

    The order differs between rounds, so that no arm always follows the same other one. The same
    workload over TLS is part of the same rounds. An arm that fails at a workload is excluded from
    it, with a message.
    """
    samples: Samples = {}
    with ExitStack() as parts:
        arms_in_use = Field(stub, load, parts)
        for number, alike in enumerate(_together(works), 1):
            able = [(work, arm) for arm in arms for work in alike if arm.does(work)]
            # Sets the order of the arms in the table.
            samples |= {(work.name, arm.name): [] for work, arm in able}
            total = rounds * alike[0].weight
            for current in range(1, total + 1):
                for work, arm in Random(current).sample(able, len(able)):
                    say(f"[{number}] {work.name}: round {current} of {total}, {arm.name}")
                    try:
                        sample = arms_in_use.measure(arm, work, seconds)
                    except MeasurementError as error:
                        say(f"{work.name}, {arm.name}: {error}\n")
                        able.remove((work, arm))
                        del samples[work.name, arm.name]
                        continue
                    samples[work.name, arm.name].append(sample)
    say("")
    return samples


def _together(works: Sequence[Work]) -> Iterable[list[Work]]:
    """Group workloads that differ in TLS only."""
    alike: dict[str, list[Work]] = {}
    for work in works:
        alike.setdefault(work.plain_name, []).append(work)
    return alike.values()
