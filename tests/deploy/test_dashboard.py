"""The Grafana dashboard: every query against the metrics of real traffic."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest, ListRoomsRequest
from prometheus_client.parser import text_string_to_metric_families
from support.authority import OURS, Files
from support.collectors import settled
from support.gateways import UNKNOWN_ROOM, collect, failure_of, gateway_for
from support.paths import ROOT

from rooms_emulator import Emulator, Fault

FOLDER = ROOT / "deploy/grafana"
DASHBOARD: Any = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], query) for panel in PANELS for query in panel["targets"]]

OF_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds."""

NOT_WITH_KEYS = "rooms_gateway_token_expiry_timestamp_seconds"

queries = pytest.mark.parametrize(
    ("title", "query"), QUERIES, ids=[f"{title} {query['refId']}" for title, query in QUERIES]
)


def parsed(expression: str) -> promql.Expr:
    """Parse an expression after replacing Grafana's variables, as for Prometheus."""
    return promql.parse(re.sub(r"\$\w+", "x", expression.replace("$__rate_interval", "1m")))


def walk(expression: promql.Expr) -> Iterator[promql.Expr]:
    """Yield an expression and everything in it."""
    yield expression
    inner = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for part in [*inner, *getattr(expression, "args", ())]:
        if part is not None:
            yield from walk(part)


def selectors(expression: promql.Expr) -> dict[str, promql.VectorSelector]:
    """Return the selectors of an expression by the names of their metrics."""
    found = (each for each in walk(expression) if isinstance(each, promql.VectorSelector))
    return {str(each.name): each for each in found}


def groupings(expression: promql.Expr) -> set[str]:
    """Return the labels by which an expression groups."""
    return {
        label
        for each in walk(expression)
        if isinstance(each, promql.AggregateExpr) and each.modifier is not None
        for label in each.modifier.labels
    }


async def exposed_by_a_gateway(folder: Path) -> dict[str, set[str]]:
    """Return the labels of every metric that a gateway exposes after calls of all kinds."""
    files = Files(folder).write(OURS.issue(), OURS)
    async with Emulator() as emulator:
        tls: dict[str, Any] = {"tls_cert": files.cert, "tls_key": files.key}
        async with gateway_for(emulator, admin_listen="127.0.0.1:0") as running:
            emulator.store.seed(40)
            emulator.faults.add(Fault(drop="before"))
            await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
            await collect(running.rooms.ListRooms(ListRoomsRequest()))
            texts = [(await settled(running.gateway.admin_address)).text]
        others: dict[str, Any] = {**tls, "upstream_probe_interval": 60.0}
        async with gateway_for(emulator, admin_listen="127.0.0.1:0", **others) as running:
            texts.append((await settled(running.gateway.admin_address)).text)
    samples: dict[str, set[str]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


@pytest.fixture
async def shown(tmp_path: Path) -> Mapping[str, set[str]]:
    return await exposed_by_a_gateway(tmp_path)


async def test_queried_metrics_and_labels_are_exposed(
    shown: Mapping[str, set[str]],
) -> None:
    shown = {**shown, NOT_WITH_KEYS: set()}
    for title, query in QUERIES:
        expression = parsed(query["expr"])
        selected = selectors(expression)
        assert selected, title
        for name, selector in selected.items():
            assert name in shown, (title, name)
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= shown[name] | OF_THE_SCRAPE, (title, name)
            assert groupings(expression) <= shown[name] | OF_THE_SCRAPE, (title, name)


async def test_every_own_metric_is_on_the_dashboard(shown: Mapping[str, set[str]]) -> None:
    queried = {name for _, query in QUERIES for name in selectors(parsed(query["expr"]))}
    queried |= {name for text in variables() for name in selectors(parsed(text))}
    own = {name for name in shown if name.startswith("rooms_gateway_")}
    assert own <= queried


def variables() -> list[str]:
    """Return the selectors of the variables of the dashboard."""
    texts = [
        variable["query"]["query"]
        for variable in DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    ]
    found = [re.fullmatch(r"label_values\((.*), (job|instance)\)", text) for text in texts]
    return [match[1] for match in found if match]


@queries
def test_selectors_filter_by_job_and_instance(title: str, query: dict[str, str]) -> None:
    for name, selector in selectors(parsed(query["expr"])).items():
        chosen = {matcher.name for matcher in selector.matchers.matchers}
        assert chosen >= OF_THE_SCRAPE, (title, name)


@queries
def test_legend_has_the_labels_of_the_query(title: str, query: dict[str, str]) -> None:
    named = set(re.findall(r"{{(\w+)}}", query["legendFormat"]))
    assert named <= groupings(parsed(query["expr"])), title
    # The groups are the lines of a panel: the legend has to distinguish them.
    assert named == groupings(parsed(query["expr"])) - {"le"}, title


def test_rate_applies_to_exactly_the_counters() -> None:
    for title, query in QUERIES:
        expression = parsed(query["expr"])
        calls = [each for each in walk(expression) if isinstance(each, promql.Call)]
        rated = {name for each in calls if each.func.name == "rate" for name in selectors(each)}
        counters = {
            name
            for name in selectors(expression)
            if name.endswith(("_total", "_bucket", "_count", "_sum"))
        }
        assert rated == counters, title


def test_panels_are_unique_and_do_not_overlap() -> None:
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in every)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_panels_have_description_and_data_source() -> None:
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
