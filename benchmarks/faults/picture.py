"""The table as a bar chart: outcomes by fault and system."""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt

from benchmarks.faults.row import Row
from benchmarks.faults.verdicts import Verdict

COLOURS = {
    Verdict.FIRST: "#4c9f70",
    Verdict.RETRIED: "#9bd3ae",
    Verdict.TYPED: "#8fb8de",
    Verdict.WRONG: "#e07a3f",
    Verdict.UNTYPED: "#b3202c",
}
TITLES = {
    "gateway": "Rooms Gateway",
    "sdk": "Microsoft's Python client",
    "naive": "naive gateway",
}


def draw(rows: tuple[Row, ...], file: Path) -> None:
    """Draw a bar for each row, one column for each system, as PNG."""
    names = list(dict.fromkeys(row.scenario for row in rows))
    systems = list(dict.fromkeys(row.system for row in rows))
    figure, axes = plt.subplots(
        *(1, len(systems)),
        sharey=True,
        squeeze=False,
        figsize=(3.6 * len(systems) + 2, 0.24 * len(names) + 1.4),
        layout="constrained",
    )
    for axis, system in zip(axes[0], systems, strict=True):
        own = [row for row in rows if row.system == system]
        positions = [names.index(row.scenario) for row in own]
        left = [0.0] * len(own)
        for verdict in Verdict:
            shares = [100 * row.verdicts[verdict] / max(1, row.trials) for row in own]
            axis.barh(positions, shares, left=left, color=COLOURS[verdict], label=verdict.value)
            left = [before + share for before, share in zip(left, shares, strict=True)]
        axis.set_title(TITLES[system])
        axis.set_xlim(0, 100)
        axis.set_xlabel("% of calls")
        axis.set_yticks(range(len(names)), names)
    axes[0][0].invert_yaxis()
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
