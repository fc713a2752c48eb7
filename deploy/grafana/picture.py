"""Draws docs/images/dashboard.png: the queries of dashboard.json, answered by a real Prometheus.

Grafana is not needed: each panel is what its queries gave over a run of some two minutes, of a real
gateway before the emulator, with throttling, an outage and a slow service in it. It takes
`prometheus` on the PATH, and matplotlib and trustme beside the gateway:

    python deploy/grafana/picture.py docs/images/dashboard.png
"""  # noqa: INP001 - a script

from __future__ import annotations

import asyncio
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import matplotlib as mpl
import trustme
from acs.rooms.v1 import participants_pb2_grpc, rooms_pb2_grpc
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from matplotlib import pyplot as plt
from PIL import Image

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.upstream.endpoint import parse_connection_string

DASHBOARD = Path(__file__).with_name("dashboard.json")
PROMETHEUS = "127.0.0.1:9490"
RATE_INTERVAL = "10s"

SCENES: tuple[tuple[str, float, tuple[Fault, ...]], ...] = (
    ("", 35, ()),
    ("throttled", 20, (Fault(status=429, headers={"Retry-After": "1"}, count=None),)),
    ("", 25, ()),
    ("down", 15, (Fault(status=503, count=None),)),
    ("", 20, ()),
    ("slow", 15, (Fault(latency=0.8, count=None),)),
    ("", 20, ()),
)
"""What is wrong, for how many seconds."""

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: rooms-gateway
    static_configs: [{{targets: ["{target}"]}}]
"""

COLOURS = {
    **dict.fromkeys(("OK", "200"), "tab:green"),
    "201": "yellowgreen",
    **dict.fromkeys(("NotFound", "404", "ROOM_NOT_FOUND"), "tab:blue"),
    **dict.fromkeys(("ResourceExhausted", "429", "THROTTLED"), "tab:orange"),
    **dict.fromkeys(("Unavailable", "503", "SERVICE_UNAVAILABLE"), "tab:red"),
    **dict.fromkeys(("DeadlineExceeded", "DEADLINE_EXCEEDED"), "tab:purple"),
}

Series = list[tuple[str, list[float], list[float]]]
Spans = list[tuple[str, float, float]]


async def main(target: Path) -> None:
    """Run all of it, and draw."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=60))
        cert, key = work / "cert.pem", work / "key.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(key)
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        trust = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with Emulator() as emulator:
            settings = Settings(
                upstream=Upstream.with_key(*parse_connection_string(emulator.connection_string)),
                api_version="2025-03-13",
                listen=("127.0.0.1:0",),
                tls_cert=cert,
                tls_key=key,
                admin_listen="127.0.0.1:0",
            )
            async with Gateway(settings) as gateway:
                (work / "prometheus.yml").write_text(
                    CONFIG.format(target=gateway.admin_address), encoding="utf-8"
                )
                prometheus = await asyncio.create_subprocess_exec(
                    "prometheus",
                    f"--config.file={work / 'prometheus.yml'}",
                    f"--storage.tsdb.path={work / 'data'}",
                    f"--web.listen-address={PROMETHEUS}",
                    stderr=asyncio.subprocess.DEVNULL,
                )
                try:
                    async with grpc.aio.secure_channel(gateway.addresses[0], trust) as channel:
                        begun, spans = await play(channel, emulator)
                    answers = await ask(begun, time.time())
                finally:
                    prometheus.terminate()
                    await prometheus.wait()
    draw(answers, begun, spans, target)


async def play(channel: grpc.aio.Channel, emulator: Emulator) -> tuple[float, Spans]:
    """Call the gateway through all scenes; return when that began, and what was wrong when."""
    rooms = rooms_pb2_grpc.RoomsServiceStub(channel)
    people = participants_pb2_grpc.ParticipantsServiceStub(channel)
    known = emulator.store.seed(150, participants=5)
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    calls: tuple[tuple[int, Any, Callable[[], Any]], ...] = (
        (60, rooms.GetRoom, lambda: GetRoomRequest(room_id=chance.choice(known))),
        (15, rooms.CreateRoom, CreateRoomRequest),
        (8, rooms.ListRooms, lambda: ListRoomsRequest(max_pages=4)),
        (12, people.ListParticipants, lambda: ListParticipantsRequest(room_id=known[0])),
        (5, rooms.GetRoom, lambda: GetRoomRequest(room_id="99400000000000000")),
    )

    async def one() -> None:
        [(_, call, request)] = chance.choices(calls, [share for share, _, _ in calls])
        answer = call(request(), timeout=5.0)
        with suppress(grpc.aio.AioRpcError):
            if isinstance(answer, grpc.aio.UnaryStreamCall):
                async for _ in answer:
                    pass
            else:
                await answer

    await asyncio.sleep(3)
    begun = time.time()
    spans: Spans = []
    tasks: set[asyncio.Task[None]] = set()
    for name, seconds, faults in SCENES:
        emulator.faults.clear()
        for fault in faults:
            emulator.faults.add(fault)
        start = time.time()
        if name:
            spans.append((name, start - begun, start - begun + seconds))
        while time.time() < start + seconds:
            task = asyncio.ensure_future(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(chance.expovariate(25))
    await asyncio.gather(*tasks)
    return begun, spans


async def ask(begun: float, ended: float) -> dict[int, Series]:
    """Return the answer to each panel's queries, as Grafana would ask them."""
    answers: dict[int, Series] = {}
    async with aiohttp.ClientSession(f"http://{PROMETHEUS}") as session:
        for panel in panels():
            found = answers[panel["id"]] = []
            for query in panel["targets"]:
                asked = query["expr"].replace("$__rate_interval", RATE_INTERVAL)
                for variable in ("$job", "$instance"):
                    asked = asked.replace(variable, ".+")
                parameters = {"query": asked, "start": begun, "end": ended, "step": 1}
                async with session.get("/api/v1/query_range", params=parameters) as response:
                    answer = await response.json()
                if answer["status"] != "success":
                    sys.exit(f"{asked}: {answer}")
                for series in answer["data"]["result"]:
                    name = query["legendFormat"]
                    for label, value in series["metric"].items():
                        name = name.replace(f"{{{{{label}}}}}", value)
                    times = [float(at) - begun for at, _ in series["values"]]
                    found.append((name, times, [float(value) for _, value in series["values"]]))
    return answers


def panels() -> list[Any]:
    """Return the dashboard's panels, without the headings of its rows."""
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def draw(answers: dict[int, Series], begun: float, spans: Spans, target: Path) -> None:
    """Draw all panels in the places that the dashboard gives them."""
    mpl.rcParams.update({"font.size": 7, "axes.spines.top": False, "axes.spines.right": False})
    columns = 3
    shown = panels()
    figure, axes = plt.subplots(-(-len(shown) // columns), columns, figsize=(13, 14.5))
    end = time.time() - begun
    for panel, axis in zip(shown, axes.flat, strict=False):
        series = [
            each
            for each in answers[panel["id"]]
            if any(value > 0 or value < 0 for value in each[2])
        ] or answers[panel["id"]]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        scale, name = scaled(unit, series)
        if "stacking" in panel["fieldConfig"]["defaults"]["custom"]:
            stack(axis, series)
        else:
            for label, times, values in series:
                shown_values = [value / scale for value in values]
                axis.plot(times, shown_values, label=label, linewidth=1.2, color=COLOURS.get(label))
        for what, start, stop in spans:
            axis.axvspan(start, stop, color="0.93", zorder=0)
            axis.text((start + stop) / 2, 1.0, what, transform=axis.get_xaxis_transform(),
                      ha="center", va="bottom", fontsize=6, color="0.5")  # fmt: skip
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        for step in steps[1:]:
            axis.axhline(step["value"], color="tab:red", linewidth=0.8, linestyle="--")
        axis.set_title(panel["title"], loc="left", fontsize=8.5, fontweight="bold", pad=10)
        axis.set_ylabel(name)
        axis.set_xlim(0, end)
        if "min" in panel["fieldConfig"]["defaults"]:
            axis.set_ylim(bottom=0)
        axis.grid(axis="y", color="0.92")
        if series:
            axis.legend(
                loc="upper left",
                bbox_to_anchor=(0, -0.12),
                ncols=3,
                frameon=False,
                fontsize=6,
                columnspacing=1,
            )
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    figure.tight_layout(h_pad=1.2)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    # A quarter of the bytes, and nobody sees it.
    Image.open(drawn).convert("RGB").quantize(64).save(target, optimize=True)


def scaled(unit: str, series: Series) -> tuple[float, str]:
    """Return what to divide values by, and what they are then."""
    highest = max((max(values) for _, _, values in series), default=0.0)
    if unit == "bytes":
        return 1e6, "MB"
    if unit == "s" and highest > 2 * 86400:
        return 86400.0, "days"
    return 1.0, {"reqps": "a second", "s": "seconds"}.get(unit, "")


def stack(axis: Any, series: Series) -> None:
    """Draw areas on top of each other; where a series has no value, it is 0."""
    times = sorted({at for _, when, _ in series for at in when})
    by_time = [dict(zip(when, values, strict=True)) for _, when, values in series]
    heights = [[each.get(at, 0.0) for at in times] for each in by_time]
    axis.stackplot(
        times,
        *heights,
        labels=[label for label, _, _ in series],
        alpha=0.75,
        colors=[COLOURS.get(label, f"C{number}") for number, (label, _, _) in enumerate(series)],
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
