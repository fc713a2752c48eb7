"""The roles in docs/how-to/callers.md are those of the gateway."""

from __future__ import annotations

import re

import pytest
from support.paths import ROOT

from rooms_gateway.server.auth.roles import METHODS, ROLES

PAGE = (ROOT / "docs/how-to/callers.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_role_has_a_row() -> None:
    assert [name for name in ROWS if name in ROLES] == list(ROLES)
    assert f"must be one of {', '.join(ROLES)}." in PAGE


@pytest.mark.parametrize("role", ["reader", "issuer", "admin"])
def test_row_names_the_rpcs_that_the_role_adds(role: str) -> None:
    """A writer's are described in words."""
    added = {name.rpartition("/")[2] for name, needed in METHODS.items() if needed == ROLES[role]}
    assert set(re.findall(r"`([A-Z]\w+)`", ROWS[role])) == added
