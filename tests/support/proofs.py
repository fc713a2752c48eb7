"""The ids of the documentation that tests carry: `@pytest.mark.proves("S12")`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]

_MARK = re.compile(
    r"^@pytest\.mark\.proves\(([^)]*)\)$(.*?)^(?:async )?def (\w+)", re.MULTILINE | re.DOTALL
)


@cache
def proven_ids() -> dict[str, list[str]]:
    """Map each id to the tests that carry it, as `file::name`; read from the sources."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for ids, _, name in _MARK.findall(path.read_text(encoding="utf-8")):
            for proven in re.findall(r'"([^"]+)"', ids):
                found.setdefault(proven, []).append(f"{path.relative_to(TESTS)}::{name}")
    return found
