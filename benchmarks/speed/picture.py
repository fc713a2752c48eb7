"""The bar chart: work per second of CPU time of each arm, relative to the floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.speed.contenders import ENVOY, FLOOR, GATEWAY, GRPC, NAIVE, SDK
from benchmarks.speed.summary import Cell
from benchmarks.speed.works import create_room, get_room, list_rooms, upsert

COLOURS = {
    NAIVE: "#b5651d",
    SDK: "#d9a066",
    FLOOR: "#8a8a8a",
    GRPC: "#8fb8d8",
    GATEWAY: "#1f77b4",
    ENVOY: "#9b8ec4",
}
SHOWN = (
    get_room(1), get_room(16), get_room(64), create_room(10), upsert(1), upsert(350),
    list_rooms(100, 100), list_rooms(1000, 30),
)  # fmt: skip


def draw(cells: list[Cell], path: Path) -> None:
    """Write an SVG with a group of bars per workload; lines show minimum and maximum."""
    # A fixed salt makes the file reproducible.
    mpl.rcParams["svg.hashsalt"] = "rooms-gateway"
    names = [work.name for work in SHOWN if any(cell.work == work.name for cell in cells)]
    figure = Figure(figsize=(10, 0.5 + 0.85 * len(names)), layout="constrained")
    axes: Any = figure.subplots()
    width = 0.8 / len(COLOURS)
    for position, (arm, colour) in enumerate(COLOURS.items()):
        found = [
            (names.index(cell.work), cell.efficiency)
            for cell in cells
            if cell.arm == arm and cell.work in names and cell.efficiency
        ]
        if not found:
            continue
        middles = [spread.median for _, spread in found]
        axes.barh(
            [row + (position - (len(COLOURS) - 1) / 2) * width for row, _ in found],
            middles,
            height=width,
            color=colour,
            label=arm,
            xerr=[
                [spread.median - spread.least for _, spread in found],
                [spread.most - spread.median for _, spread in found],
            ],
            error_kw={"linewidth": 0.8},
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.set_xlabel("calls or rooms per CPU-second of the server, relative to the floor")
    # Outside of the axes: inside, it hides the longest bars.
    figure.legend(loc="outside upper center", ncols=len(COLOURS))
    figure.savefig(path, metadata={"Date": None})
