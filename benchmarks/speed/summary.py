"""Summary of the samples: medians with their spread, and ratios to the floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from benchmarks.speed.measure import Sample
from benchmarks.speed.rounds import Samples
from benchmarks.speed.works import Work


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, with minimum and maximum."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of at least one value."""
        seen = list(values)
        return cls(median(seen), min(seen), max(seen))


@dataclass(frozen=True, slots=True)
class Cell:
    """Summary for one workload on one arm."""

    work: str
    arm: str
    unit: str
    per_cpu_second: Spread
    """Calls or rooms per second of CPU time of the server."""
    per_second: Spread
    by_round: tuple[float, ...]
    """`per_cpu_second` of each round; rounds are comparable between arms."""
    cpu_micros: Spread
    """CPU time of the server per call or room, in microseconds."""
    p50: Spread
    """Latency in seconds; 0 for streams."""
    p99: Spread
    efficiency: Spread | None
    """`per_cpu_second` relative to the floor in the same round."""
    throughput: Spread | None
    """`per_second` relative to the floor in the same round."""
    load_share: float
    """CPU time of the load generator per second."""


def summarise(works: Iterable[Work], samples: Samples, base: str) -> list[Cell]:
    """Return a cell for each workload and arm with samples; ratios are to the arm `base`."""
    cells = []
    for work in works:
        for (name, arm), seen in samples.items():
            if name == work.name:
                cells.append(_cell(work, arm, seen, samples.get((name, base))))
    return cells


def _cell(work: Work, arm: str, seen: list[Sample], base: list[Sample] | None) -> Cell:
    def efficiency(sample: Sample) -> float:
        return sample.amount(work) / sample.server_cpu

    def throughput(sample: Sample) -> float:
        return sample.amount(work) / sample.seconds

    def relative(value: Callable[[Sample], float]) -> Spread | None:
        if base is None:
            return None
        pairs = zip(seen, base, strict=False)
        return Spread.of(value(sample) / value(other) for sample, other in pairs)

    return Cell(
        work.name,
        arm,
        work.unit,
        Spread.of(efficiency(sample) for sample in seen),
        Spread.of(throughput(sample) for sample in seen),
        tuple(map(efficiency, seen)),
        Spread.of(1e6 / efficiency(sample) for sample in seen),
        Spread.of(sample.p50 for sample in seen),
        Spread.of(sample.p99 for sample in seen),
        relative(efficiency),
        relative(throughput),
        median(sample.load_cpu / sample.seconds for sample in seen),
    )


def times(ours: Cell, theirs: Cell) -> float:
    """Return the ratio of work per CPU time: the median over the rounds."""
    return median(mine / its for mine, its in zip(ours.by_round, theirs.by_round, strict=True))


def table(cells: Iterable[Cell]) -> str:
    """Return the cells as a Markdown table."""
    head = (
        "| workload | arm | per CPU-second, × floor | per second, × floor | µs of CPU | p50 ms "
        "| p99 ms |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(
        f"| {cell.work} | {cell.arm} | {ratio(cell.efficiency)} | {ratio(cell.throughput)} "
        f"| {cell.cpu_micros.median:,.1f} | {_millis(cell.p50)} | {_millis(cell.p99)} |\n"
        for cell in cells
    )


def ratio(spread: Spread | None) -> str:
    """Format a ratio with its spread."""
    if spread is None:
        return "-"
    return f"**{spread.median:.2f}** ({spread.least:.2f}–{spread.most:.2f})"


def _millis(spread: Spread) -> str:
    return f"{spread.median * 1000:.2f}" if spread.median else "-"
