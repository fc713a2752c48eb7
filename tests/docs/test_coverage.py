"""The tables of docs/reference/coverage.md against the SDKs, the contract and the tests."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support import sdk_surface
from support.contract import FILES
from support.paths import ROOT
from support.proofs import proven_ids

PAGE = (ROOT / "docs/reference/coverage.md").read_text(encoding="utf-8")
NOT_NEEDED = "not needed: "

Row = tuple[str, str, str]


def rows(heading: str) -> list[Row]:
    """Return the rows of the table below a heading: SDK, gateway and test ids."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in section.splitlines()
        if line.startswith("|")
    ]
    assert len(cells) > 2, f"there is no table below {heading}"
    return [(sdk, ours, ids) for sdk, ours, ids in cells[2:]]


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


HEADINGS = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
ROWS = [row for heading in HEADINGS for row in rows(heading)]


def named_in(heading: str) -> list[str]:
    return [name for sdk, _, _ in rows(heading) for name in spans(sdk)]


def declared() -> set[str]:
    """Return the names in the contract: RPCs, messages, fields and enum values."""
    found: set[str] = set()
    for file in FILES:
        for service in file.services_by_name.values():
            found |= {f"{service.name}.{method.name}" for method in service.methods}
        # Messages of both packages have the same names.
        package = "legacy." if file.package == "acs.rooms.legacy.v1" else ""
        for message in file.message_types_by_name.values():
            name = f"{package}{message.name}"
            found |= {name, *(f"{name}.{field.name}" for field in message.fields)}
        for enum in file.enum_types_by_name.values():
            found |= set(enum.values_by_name)
    return found


@pytest.mark.parametrize(
    ("heading", "surface"),
    [
        ("Python", sdk_surface.of_python),
        ("Identity in Python", sdk_surface.of_python_identity),
        pytest.param(
            "JavaScript", sdk_surface.of_javascript, marks=pytest.mark.needs("node-clients")
        ),
        pytest.param(
            "Identity in JavaScript",
            sdk_surface.of_javascript_identity,
            marks=pytest.mark.needs("node-clients"),
        ),
    ],
)
def test_table_equals_the_sdk_surface(heading: str, surface: Callable[[], set[str]]) -> None:
    assert sorted(named_in(heading)) == sorted(surface())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_names_the_contract_or_a_reason(row: Row) -> None:
    _, ours, _ = row
    if ours.startswith(NOT_NEEDED):
        assert ours.removeprefix(NOT_NEEDED)
    else:
        assert spans(ours)
        assert set(spans(ours)) - declared() == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_has_ids_that_tests_carry(row: Row) -> None:
    _, ours, ids = row
    assert spans(ids) or ours.startswith(NOT_NEEDED)
    assert set(spans(ids)) - set(proven_ids()) == set()


def test_every_rpc_has_a_row() -> None:
    """An RPC that corresponds to no method of an SDK has one below `Beyond the SDKs`."""
    named = {name for _, ours, _ in ROWS for name in spans(ours)}
    rpcs = {name for name in declared() if re.fullmatch(r"\w+Service\.\w+", name)}
    assert rpcs - named == set()
