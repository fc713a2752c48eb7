"""Draws docs/images/dashboard.png: the queries of dashboard.json, run on a real Prometheus.

Grafana is not needed: each panel shows the results of its queries over a run of about two minutes
of a gateway with the emulator, with throttling, an outage and high latency. Requires `prometheus`
on the PATH, and matplotlib and trustme in the environment of the gateway:

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
from acs.rooms.v1 import participants_service_pb2_grpc, rooms_service_pb2_grpc
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
"""Label, duration in seconds and injected faults of each scene."""

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: rooms-gateway
    static_configs: [{{targets: ["{target}"]}}]
"""

COLOURS = {
    **dict.fromkeys(("OK", "200"), "tab:green"),
    "201": "yellowgreen",
    **dict.fromkeys(("NotFound", "404", "ERROR_REASON_ROOM_NOT_FOUND"), "tab:blue"),
    **dict.fromkeys(("ResourceExhausted", "429", "ERROR_REASON_THROTTLED"), "tab:orange"),
    **dict.fromkeys(("Unavailable", "503", "ERROR_REASON_UPSTREAM_UNAVAILABLE"), "tab:red"),
    **dict.fromkeys(("DeadlineExceeded", "DEADLINE_EXCEEDED"), "tab:purple"),
}

Series = list[tuple[str, list[float], list[float]]]
Spans = list[tuple[str, float, float]]


async def main(target: Path) -> None:
    """Run the scenes, query Prometheus, and draw the panels into `target`."""
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
                    results = await query(begun, time.time())
                finally:
                    prometheus.terminate()
                    await prometheus.wait()
    draw(results, begun, spans, target)


async def play(channel: grpc.aio.Channel, emulator: Emulator) -> tuple[float, Spans]:
    """Call the gateway through all scenes; return the start time and the span of each fault."""
    rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
    participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)
    known = emulator.store.seed(150, participants=5)
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    calls: tuple[tuple[int, Any, Callable[[], Any]], ...] = (
        (60, rooms.GetRoom, lambda: GetRoomRequest(room_id=chance.choice(known))),
        (15, rooms.CreateRoom, CreateRoomRequest),
        (8, rooms.ListRooms, lambda: ListRoomsRequest(max_pages=4)),
        (12, participants.ListParticipants, lambda: ListParticipantsRequest(room_id=known[0])),
        (5, rooms.GetRoom, lambda: GetRoomRequest(room_id="99400000000000000")),
    )

    async def one() -> None:
        [(_, call, request)] = chance.choices(calls, [share for share, _, _ in calls])
        response = call(request(), timeout=5.0)
        with suppress(grpc.aio.AioRpcError):
            if isinstance(response, grpc.aio.UnaryStreamCall):
                async for _ in response:
                    pass
            else:
                await response

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


async def query(begun: float, ended: float) -> dict[int, Series]:
    """Return the results of each panel's queries by panel id, with the parameters of Grafana."""
    results: dict[int, Series] = {}
    async with aiohttp.ClientSession(f"http://{PROMETHEUS}") as session:
        for panel in panels():
            found = results[panel["id"]] = []
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
                for variable in ("$job", "$instance"):
                    expression = expression.replace(variable, ".+")
                parameters = {"query": expression, "start": begun, "end": ended, "step": 1}
                async with session.get("/api/v1/query_range", params=parameters) as response:
                    result = await response.json()
                if result["status"] != "success":
                    sys.exit(f"{expression}: {result}")
                for series in result["data"]["result"]:
                    name = target["legendFormat"]
                    for label, value in series["metric"].items():
                        name = name.replace(f"{{{{{label}}}}}", value)
                    times = [float(at) - begun for at, _ in series["values"]]
                    found.append((name, times, [float(value) for _, value in series["values"]]))
    return results


def panels() -> list[Any]:
    """Return the dashboard's panels, without its row headings."""
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def draw(results: dict[int, Series], begun: float, spans: Spans, target: Path) -> None:
    """Draw all panels in the order of the dashboard."""
    mpl.rcParams.update({"font.size": 7, "axes.spines.top": False, "axes.spines.right": False})
    columns = 3
    shown = panels()
    figure, axes = plt.subplots(-(-len(shown) // columns), columns, figsize=(13, 14.5))
    end = time.time() - begun
    for panel, axis in zip(shown, axes.flat, strict=False):
        series = [
            each
            for each in results[panel["id"]]
            if any(value > 0 or value < 0 for value in each[2])
        ] or results[panel["id"]]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        scale, name = scaled(unit, series)
        if "stacking" in panel["fieldConfig"]["defaults"]["custom"]:
            stack(axis, series)
        else:
            for label, times, values in series:
                shown_values = [value / scale for value in values]
                axis.plot(times, shown_values, label=label, linewidth=1.2, color=COLOURS.get(label))
        for label, start, stop in spans:
            axis.axvspan(start, stop, color="0.93", zorder=0)
            axis.text((start + stop) / 2, 1.0, label, transform=axis.get_xaxis_transform(),
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
    # 64 colours: a quarter of the bytes, without a visible difference.
    Image.open(drawn).convert("RGB").quantize(64).save(target, optimize=True)


def scaled(unit: str, series: Series) -> tuple[float, str]:
    """Return the divisor of values in `unit`, and the label of the resulting unit."""
    highest = max((max(values) for _, _, values in series), default=0.0)
    if unit == "bytes":
        return 1e6, "MB"
    if unit == "s" and highest > 2 * 86400:
        return 86400.0, "days"
    return 1.0, {"reqps": "per second", "s": "seconds"}.get(unit, "")


def stack(axis: Any, series: Series) -> None:
    """Draw stacked areas; missing values count as 0."""
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
