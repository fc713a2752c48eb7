"""The threat model of docs/security.md against the tests that carry its ids."""

from __future__ import annotations

import re

import pytest
from support.paths import ROOT
from support.proofs import proven_ids

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
COVERAGE = (ROOT / "docs/reference/coverage.md").read_text(encoding="utf-8")
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for table in re.findall(r"^\| id \| threat \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for line in table.splitlines()
]


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_threat_has_categories_and_a_test(row: list[str]) -> None:
    number, threat, categories, mitigation = row
    assert threat
    assert categories
    assert set(categories.split()) <= set("STRIDE")
    assert mitigation
    assert number in proven_ids(), f'no test has @pytest.mark.proves("{number}")'


def test_threat_ids_are_unique_and_in_order() -> None:
    assert [row[0] for row in THREATS] == [f"S{number}" for number in range(1, len(THREATS) + 1)]


def test_text_names_only_ids_of_threats() -> None:
    assert set(re.findall(r"\bS\d+\b", PAGE)) == {row[0] for row in THREATS}


def test_tests_carry_only_ids_of_the_pages() -> None:
    ids = {row[0] for row in THREATS} | set(re.findall(r"`([a-z-]+)`", COVERAGE))
    assert {name: tests for name, tests in proven_ids().items() if name not in ids} == {}


def test_threats_cover_every_category() -> None:
    assert len(THREATS) > 40
    assert {category for row in THREATS for category in row[2].split()} == set("STRIDE")


def test_prose_quotes_no_test() -> None:
    assert re.findall(r"\btest_\w+|\w+\.py::\w+", PAGE + COVERAGE) == []
