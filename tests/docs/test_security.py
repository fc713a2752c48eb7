"""The threat model of docs/security.md against the tests that it names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from support.paths import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+\.py::\w+)`", PAGE)))
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for table in re.findall(r"^\| threat \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for line in table.splitlines()
]


@cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_the_page_names_is_there(named: str) -> None:
    file, _, name = named.partition("::")
    assert name.startswith("test_")
    assert name in functions_of(ROOT / "tests" / file)


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_every_threat_has_its_letters_a_defence_and_a_test(row: list[str]) -> None:
    threat, letters, defence, proof = row
    assert threat
    assert defence
    assert set(letters.split()) <= set("STRIDE")
    assert letters
    assert set(re.findall(r"`([^`]+)`", proof)) <= set(NAMED)
    assert "::test_" in proof


def test_every_letter_and_a_good_many_threats_are_on_the_page() -> None:
    assert len(THREATS) > 40
    assert {letter for row in THREATS for letter in row[1].split()} == set("STRIDE")
