"""Targets of the gateway, and whether they are met; informative, a missed target is no error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.contenders import ENVOY, FLOOR, GATEWAY, GRPC, NAIVE
from benchmarks.speed.crowding import CROWD
from benchmarks.speed.summary import Cell, times
from benchmarks.speed.works import Work, create_room, get_room, list_rooms, upsert

LISTS = (list_rooms(100, 100), list_rooms(1000, 30))


@dataclass(frozen=True, slots=True)
class Target:
    """One target, and its measurement."""

    name: str
    wanted: str
    measured: str
    met: bool


def targets(cells: list[Cell], more: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """Return the targets that have measurements."""
    found = {(cell.work, cell.arm): cell for cell in cells}
    return [*_speed(found), *_footprint(more), *_crowds(more), *_far_away(more)]


Cells = dict[tuple[str, str], Cell]


def _speed(cells: Cells) -> Iterator[Target]:
    yield from _times(cells, get_room(1), FLOOR, 3.0)
    for callers in (16, 64, 256):
        yield from _times(cells, get_room(callers), FLOOR, 4.5)
        yield from _times(cells, get_room(callers), GRPC, 3.3)
    yield from _latency(cells, get_room(64), "p99", FLOOR)
    yield from _latency(cells, get_room(1), "p50", ENVOY)
    yield from _times(cells, create_room(10), FLOOR, 3.3)
    yield from _times(cells, upsert(50), FLOOR, 3.0)
    yield from _times(cells, upsert(350), FLOOR, 1.8)
    yield from _participants(cells)
    for work in LISTS:
        yield from _times(cells, work, FLOOR, 6.0)
        yield from _times(cells, work, NAIVE, 8.0)
        yield from _times(cells, work, GRPC, 1.0)
    for work in (get_room(16), get_room(64)):
        plain = cells.get((work.name, GATEWAY))
        tls = cells.get((work.over_tls().name, GATEWAY))
        if plain and tls:
            share = times(plain, tls)
            yield Target(
                f"{work.name}: CPU over TLS", "≤ 1.20 × plain", f"{share:.2f}", share <= 1.2
            )


def _times(cells: Cells, work: Work, other: str, least: float) -> Iterator[Target]:
    ours, theirs = cells.get((work.name, GATEWAY)), cells.get((work.name, other))
    if ours and theirs:
        reached = times(ours, theirs)
        yield Target(
            f"{work.name}: {work.unit} per CPU-second",
            f"≥ {least:g} × {other}",
            f"{reached:.2f}",
            reached >= least,
        )


def _latency(cells: Cells, work: Work, which: str, other: str) -> Iterator[Target]:
    ours, theirs = cells.get((work.name, GATEWAY)), cells.get((work.name, other))
    if ours and theirs:
        mine, its = getattr(ours, which).median, getattr(theirs, which).median
        yield Target(
            f"{work.name}: {which}",
            f"≤ {its * 1000:.2f} ms of {other}",
            f"{mine * 1000:.2f} ms",
            mine <= its,
        )


def _participants(cells: Cells) -> Iterator[Target]:
    one, some, many = (cells.get((upsert(count).name, GATEWAY)) for count in (1, 50, 350))
    if not (one and some and many):
        return
    base, most = one.cpu_micros.median, many.cpu_micros.median
    each = (most - base) / 349
    yield Target(
        "UpsertParticipants, 350: CPU per participant", "≤ 4 µs", f"{each:.2f} µs", each <= 4
    )
    # With linear growth, values in between deviate by noise only.
    expected = base + 49 * each
    off = some.cpu_micros.median / expected - 1
    yield Target(
        "UpsertParticipants, 50: deviation from linear growth",
        "± 15 %",
        f"{off:+.0%}",
        abs(off) < 0.15,
    )


def _footprint(more: Mapping[str, Mapping[str, float]]) -> Iterator[Target]:
    if start := more.get("start"):
        seconds, rss = start["seconds"], start["rss_mib"]
        yield Target("startup until SERVING", "< 1 s", f"{seconds:.2f} s", seconds < 1)
        yield Target("RSS without extras", "< 70 MiB", f"{rss:.1f} MiB", rss < 70)
    if (idle := more.get("idle connections")) and GATEWAY in idle:
        size = idle[GATEWAY]
        yield Target("idle connection: memory", "≤ 2.5 KiB", f"{size:.1f} KiB", size <= 2.5)
    if lists := more.get("lists"):
        lengths = sorted(lists, key=int)
        grown = lists[lengths[-1]] - lists[lengths[0]]
        yield Target(
            f"peak RSS, from lists of {int(lengths[0]):,} rooms to {int(lengths[-1]):,}",
            "no growth (< 2 MiB)",
            f"{grown:+.1f} MiB",
            grown < 2,
        )


def _crowds(more: Mapping[str, Mapping[str, float]]) -> Iterator[Target]:
    for name, kind in (("slow upstream", "calls"), ("slow lists", "lists")):
        if crowd := more.get(name):
            grown = crowd["rss_late_mib"] - crowd["rss_early_mib"]
            crowded = f"1,000 {kind}, slow upstream"
            yield Target(
                f"{crowded}: RSS while they wait",
                "no growth (< 5 MiB)",
                f"{grown:+.1f} MiB",
                grown < 5,
            )
            each = (crowd["rss_early_mib"] - crowd["rss_before_mib"]) * 1024 / CROWD
            if kind == "calls":
                yield Target(
                    f"{crowded}: memory of each", "≤ 10 KiB", f"{each:.1f} KiB", each <= 10
                )
            slowest = crowd["health_max_ms"]
            yield Target(
                f"{crowded}: slowest health response", "< 1 s", f"{slowest:.0f} ms", slowest < 1000
            )
    if with_lists := more.get("reads with lists"):
        longer = with_lists["p50_with_lists_ms"] / with_lists["p50_alone_ms"]
        # Lists take half of the core, so a factor of 2 is the cost of sharing it.
        yield Target(
            "GetRoom, 16 callers: p50 with four concurrent lists",
            "≤ 3 × alone",
            f"{longer:.2f}",
            longer <= 3,
        )


def _far_away(more: Mapping[str, Mapping[str, Any]]) -> Iterator[Target]:
    far = more.get("latency", {})
    if ours := far.get(GATEWAY):
        for name, key in (("first call", "first_ms"), ("call after 65 s idle", "after_idle_ms")):
            share = ours[key] / ours["warm_ms"]
            yield Target(f"80 ms away: {name}", "≤ 1.1 × warm", f"{share:.2f}", share <= 1.1)
        if envoy := far.get(ENVOY):
            slowest, its = ours["burst_max_ms"], envoy["burst_max_ms"]
            yield Target(
                "80 ms away: slowest call of a burst",
                f"≤ Envoy's {its:.0f} ms",
                f"{slowest:.0f} ms",
                slowest <= its,
            )


def table(found: list[Target]) -> str:
    """Return the targets as a Markdown table."""
    return "| target | required | measured | |\n| --- | --- | --- | --- |\n" + "".join(
        f"| {target.name} | {target.wanted} | {target.measured} "
        f"| {'met' if target.met else '**not met**'} |\n"
        for target in found
    )
