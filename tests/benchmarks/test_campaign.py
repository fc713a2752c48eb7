"""A small fault campaign: it detects errors, and the gateway meets its targets."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import load, soak
from benchmarks.faults import report
from benchmarks.faults.cell import run
from benchmarks.faults.row import Goal, Row
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.verdicts import Verdict

SEED = 7
SMALL = 0.03


@pytest.mark.parametrize(
    "name", ["closed-after-effect", "invalid-json", "foreign-next-link", "foreign-refusals"]
)
async def test_the_gateway_meets_its_targets(name: str) -> None:
    row = await run(BY_NAME[name], "gateway", seed=SEED, scale=SMALL)
    assert row.struck > 0
    assert row.missed() == []


@pytest.mark.parametrize("system", ["sdk", "naive"])
async def test_signed_requests_to_another_origin_count(system: str) -> None:
    """Microsoft's client and the naive gateway follow such a link."""
    # settle=0: leftover resources do not matter in this test.
    row = await run(BY_NAME["foreign-next-link"], system, seed=SEED, scale=SMALL, settle=0)
    assert row.verdicts[Verdict.WRONG] > 0
    assert row.secrets > 0


async def test_an_unknown_role_is_untyped_in_naive() -> None:
    """The naive gateway ends the call with UNKNOWN."""
    row = await run(BY_NAME["unknown-role"], "naive", seed=SEED, scale=SMALL, settle=0)
    assert row.verdicts[Verdict.UNTYPED] > 0


@pytest.mark.parametrize("name", ["quota-bucket", "two-replicas"])
async def test_calls_above_a_quota_succeed(name: str) -> None:
    row = await run(replace(BY_NAME[name], trials=250), "gateway", seed=SEED)
    assert row.succeeded == row.trials
    # Not the requests: how many are rejected depends on the speed of the machine.
    assert 0 < (row.quota_used or 0) <= 1.05
    # Not the descriptors: the pool keeps the connections of the burst, more on a slow machine.
    assert [each for each in row.missed() if "descriptors" not in each] == []


def paced(*, succeeded: int = 500, **changes: float) -> dict[str, object]:
    """Return changes of a row that meets its targets under a quota, but for `changes`."""
    verdicts = dict.fromkeys(Verdict, 0) | {
        Verdict.RETRIED: succeeded,
        Verdict.TYPED: 500 - succeeded,
    }
    goal = Goal(succeeded=0.995, requests=1.1)
    return {"goal": goal, "trials": 500, "verdicts": verdicts, **changes}


def test_a_quota_has_no_targets_for_few_calls() -> None:
    """The requests until the rate is learned dominate them."""
    few = paced(succeeded=0) | {"trials": 499}
    assert Row("none", "gateway", **few).missed() == []  # type: ignore[arg-type]


def test_requests_per_success_need_a_success() -> None:
    row = Row("none", "gateway", **paced(requests_per_call=1.5))  # type: ignore[arg-type]
    assert row.requests_per_success == 1.5
    assert Row("none", "gateway").requests_per_success == math.inf
    assert report.cells(Row("none", "gateway"))[13:15] == ("-", "-")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"overdue": 1}, "1 over deadline"),
        ({"duplicates": 2}, "2 duplicated"),
        ({"lost": 1}, "1 lost"),
        ({"halves": 1}, "1 syncs that took effect in part"),
        ({"secrets": 1}, "1 secrets"),
        ({"tasks": 1}, "1 tasks left"),
        ({"rss": 150_000_000}, "150 MB left"),
        ({"outage": True, "trials": 500, "requests_per_call": 1.3}, "1.30 requests per call"),
        (paced(succeeded=496), "4 of 500 failed"),
        (paced(requests_per_call=1.11), "1.11 requests per success"),
        (paced(slowest=3.1), "a caller waited 3.1 times as long as the mean"),
    ],
)
def test_missed_targets_are_reported(changes: dict[str, object], text: str) -> None:
    assert Row("none", "gateway").missed() == []
    assert Row("none", "gateway", **changes).missed() == [text]  # type: ignore[arg-type]


def test_a_report_replaces_text_between_markers() -> None:
    page = "before <!-- x: begin -->\nold\n<!-- x: end --> after"
    assert report.replace_between(page, "x", "new") == (
        "before <!-- x: begin -->\n\nnew\n\n<!-- x: end --> after"
    )
    with pytest.raises(ValueError, match="no markers"):
        report.replace_between(page, "y", "new")


def test_the_page_has_markers_for_every_report() -> None:
    page = Path(report.PAGE).read_text(encoding="utf-8")
    for name in ("faults", "admissions", "jobs", "soak", "load"):
        report.replace_between(page, name, "")


def test_tables_without_rows_are_not_written() -> None:
    assert list(report.tables([Row("none", "gateway")])) == ["faults"]
    assert list(report.tables([Row("lost-user", "gateway")])) == ["admissions"]
    assert list(report.tables([Row("sync", "gateway")])) == ["jobs"]
    assert list(report.tables([Row("none", "sdk"), Row("lost-user", "sdk")])) == [
        *("faults", "admissions")
    ]


def test_the_page_has_all_headings_and_faults() -> None:
    page = Path(report.PAGE).read_text(encoding="utf-8")
    admissions = report.table((), report.ADMISSION_HEADINGS)
    jobs = report.table((), report.JOB_HEADINGS)
    for empty in (report.table(()), admissions, jobs, soak.table([]), load.table([])):
        assert empty in page
    for scenario in BY_NAME.values():
        assert f"| **{scenario.name}**: {scenario.what} |" in page


def test_docs_hold_no_json_of_measurements() -> None:
    assert list(report.PAGE.parent.rglob("*.json")) == []
