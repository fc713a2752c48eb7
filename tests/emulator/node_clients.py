"""Walks through Microsoft's unmodified JavaScript clients, each a script of tests/clients/node."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sdk_surface import CLIENTS, NODE

from rooms_emulator import Emulator


def needs(package: str) -> list[pytest.MarkDecorator]:
    """Skip the tests of a module if Node or the package is not installed."""
    return [
        pytest.mark.skipif(NODE is None, reason="Node is not installed"),
        pytest.mark.skipif(
            not (CLIENTS / "node_modules" / package).is_dir(),
            reason="the Node clients are not installed: npm ci in tests/clients/node",
        ),
    ]


async def walk(script: str, emulator: Emulator) -> dict[str, Any]:
    """Run the walk; return the value that it printed for each step."""
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        script,
        emulator.connection_string,
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    steps = [json.loads(line) for line in out.splitlines()]
    return {step["step"]: step["value"] for step in steps}
