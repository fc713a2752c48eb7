"""A small fault campaign: it detects errors, and the gateway meets its targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import load, soak
from benchmarks.faults import report
from benchmarks.faults.cell import run
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.verdicts import Verdict

SEED = 7
SMALL = 0.03


@pytest.mark.parametrize("name", ["closed-after-effect", "invalid-json", "foreign-next-link"])
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


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"overdue": 1}, "1 over deadline"),
        ({"duplicates": 2}, "2 duplicated"),
        ({"lost": 1}, "1 lost"),
        ({"secrets": 1}, "1 secrets"),
        ({"tasks": 1}, "1 tasks left"),
        ({"rss": 150_000_000}, "150 MB left"),
        ({"outage": True, "trials": 500, "requests_per_call": 1.3}, "1.30 requests per call"),
    ],
)
def test_missed_targets_are_reported(changes: dict[str, int], text: str) -> None:
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
    for name in ("faults", "soak", "load"):
        report.replace_between(page, name, "")


def test_the_page_has_all_headings_and_faults() -> None:
    page = Path(report.PAGE).read_text(encoding="utf-8")
    for empty in (report.table(()), soak.table([]), load.table([])):
        assert empty in page
    for scenario in BY_NAME.values():
        assert f"| **{scenario.name}**: {scenario.what} |" in page


def test_docs_hold_no_json_of_measurements() -> None:
    assert list(report.PAGE.parent.rglob("*.json")) == []
