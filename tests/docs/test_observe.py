"""The page on monitoring lists exactly the metrics, labels and log fields that exist."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable

import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from support.collectors import scrape, settled
from support.gateways import failure_of, gateway_for
from support.paths import ROOT
from support.several_resources import EU, several

from rooms_emulator import Emulator
from rooms_gateway.telemetry.log_lines import FinishedCall, JsonFormatter
from rooms_gateway.telemetry.metrics.registry import Metrics
from rooms_gateway.telemetry.observers import AttemptFailure, CredentialEvent
from rooms_gateway.upstream.transport.pacing.pacer import make_pacers

PAGE = (ROOT / "docs/how-to/observe.md").read_text(encoding="utf-8")
EXPIRY = ("token", "certificate")


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first column has `heading`, by their first cell."""
    text = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split("|") for line in text.splitlines()[2:]]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


METRICS = table("metric")


async def test_every_metric_has_its_labels() -> None:
    async with (
        Emulator() as emulator,
        gateway_for(emulator, admin_listen="127.0.0.1:0") as running,
    ):
        await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000")))
        seen = await settled(running.gateway.admin_address)
    exposed = {
        name: labels for name, labels in seen.labels.items() if not name.startswith("process_")
    }
    documented = {
        name: frozenset(re.findall(r"`(\w+)`", cells[1])) for name, cells in METRICS.items()
    }
    # This gateway has no upstream probe, signs with a key, and listens without TLS.
    assert documented.pop("rooms_gateway_upstream_reachable") == frozenset()
    for what in EXPIRY:
        assert documented.pop(f"rooms_gateway_{what}_expiry_timestamp_seconds") == frozenset()
    assert documented == exposed


async def test_every_metric_has_its_type() -> None:
    metrics = Metrics("0", "0")
    metrics.token_expires(1)
    metrics.resources.of("").show(
        pacers={family.value: pacer for family, pacer in make_pacers().items()},
        retry_budget=float,
        clock_skew=float,
        reachable=float,
    )
    metrics.show_state(
        in_flight=float,
        queued=float,
        unread=float,
        streams=float,
        watches=float,
        reflection=float,
        certificate_expiry=float,
    )
    types = dict(re.findall(r"^# TYPE (\S+) (\w+)$", metrics.expose("")[0].decode(), re.MULTILINE))
    assert {name: types[name] for name in METRICS} == {
        name: cells[0] for name, cells in METRICS.items()
    }


async def test_named_resources_add_a_label() -> None:
    """To each metric of the upstream, and to no other."""
    async with several(admin_listen="127.0.0.1:0") as running:
        await failure_of(
            running.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000"), metadata=EU)
        )
        seen = await settled(running.gateway.admin_address)
    [sentence] = re.findall(r"the label `resource` on\s+(.*?)\. Its", PAGE, re.DOTALL)
    listed = set(re.findall(r"`(\w+)`", sentence))
    labelled = {
        name.removesuffix("_total") for name, each in seen.labels.items() if "resource" in each
    }
    matched = {name for name in labelled for each in listed if name.startswith(each)}
    assert labelled == matched


def test_every_log_field_is_listed() -> None:
    call = FinishedCall("", "", "", "", 0, "", 0.0, "", "")
    record = logging.LogRecord("", logging.INFO, "", 0, call, None, None)
    assert list(table("field")) == list(json.loads(JsonFormatter().format(record)))


@pytest.mark.parametrize(
    ("heading", "values"),
    [("`error_type`", AttemptFailure), ("`event`", CredentialEvent)],
    ids=["error_type", "event"],
)
def test_every_label_value_is_listed(heading: str, values: Iterable[str]) -> None:
    assert list(table(heading)) == [str(value) for value in values]


async def test_every_queried_metric_exists() -> None:
    queries = "\n".join(re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL))
    queried = set(re.findall(r"\b(?:grpc|rpc|http|rooms)_\w+_(?:\w+)", queries)) - {
        label for cells in METRICS.values() for label in re.findall(r"`(\w+)`", cells[1])
    }
    async with (
        Emulator() as emulator,
        gateway_for(emulator, admin_listen="127.0.0.1:0") as running,
    ):
        await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000")))
        await settled(running.gateway.admin_address)
        seen = await scrape(running.gateway.admin_address)
    assert queried
    assert [name for name in sorted(queried) if not seen.has(name)] == []
