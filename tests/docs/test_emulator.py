"""docs/emulator.md: its snippets run as written, on another port."""

from __future__ import annotations

import asyncio
import inspect
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

import rooms_emulator
from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault
from rooms_emulator.faults.presets import PRESETS
from rooms_emulator.identity import routes as identity_routes
from rooms_emulator.quotas.limits import EVERY_REQUEST
from rooms_emulator.quotas.model import OPTIONS
from rooms_emulator.rooms import routes
from rooms_emulator.tls import trust

PAGE = (ROOT / "docs" / "emulator.md").read_text()
CLIENTS = ROOT / "tests" / "clients" / "node"
ADDRESS = "127.0.0.1:8125"


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


async def run(emulator: Emulator, *command: str, folder: Path = ROOT) -> str:
    """Run a snippet, the last part of `command`, against the emulator."""
    address = emulator.endpoint.removeprefix("http://")
    *program, snippet = command
    process = await asyncio.create_subprocess_exec(
        *program,
        snippet.replace(ADDRESS, address),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("snippet", snippets("python"))
async def test_python_snippets(
    emulator: Emulator, snippet: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    await run(emulator, sys.executable, "-c", snippet)


@pytest.mark.needs("node-clients")
@pytest.mark.parametrize("snippet", snippets("js"))
async def test_javascript_snippet(emulator: Emulator, snippet: str) -> None:
    module = ("node", "--input-type=module", "--eval", snippet)
    assert re.match(r"\d{4}-", await run(emulator, *module, folder=CLIENTS))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_shell_snippets(emulator: Emulator) -> None:
    """They seed lists with empty pages, shift the clock, and set and remove faults and quotas."""
    outputs = [await run(emulator, "sh", "-ec", snippet) for snippet in snippets("sh")]
    seeded, clock, faults, quotas = outputs
    assert (len(emulator.store), seeded.count("roomIds")) == (15, 3)
    assert '"offsetSeconds":600.0' in clock
    assert emulator.clock.offset_seconds == 0
    assert faults.count('"struck":0') == 4
    assert emulator.faults.list() == ()
    assert quotas.count('"accepted":0') == 10
    assert emulator.quotas.list() == ()


def test_commands_that_trust_the_ca() -> None:
    for command in trust.commands(Path("emulator-ca.pem"), Path("emulator-ca.p12")).values():
        assert f"| `{command}` |" in PAGE


def test_every_choice_can_be_settled() -> None:
    """Each row with a choice has a row for the fact that would replace it, and no other row has."""
    tables = re.findall(r"^\| subject \| (.*) \|\n\|[- |]*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [
        (columns, [cell.strip() for cell in row.strip("|\n").split("|")])
        for columns, lines in tables
        for row in lines.splitlines()
    ]
    chosen = {row[0] for columns, row in rows if columns == "recorded fact | choice" and row[2]}
    settled = [row[0] for columns, row in rows if columns == "settled by"]
    assert chosen == {*settled}
    assert len(settled) == len(chosen)


def test_the_page_is_complete() -> None:
    """It has the key, all operations, parameters, presets, attributes of faults, and quotas."""
    assert f"endpoint=http://{ADDRESS}/;accesskey={DEVELOPMENT_KEY}\n" in PAGE
    for operation in (*routes.OPERATIONS, *identity_routes.OPERATIONS):
        assert f"`{operation}`" in PAGE
    for name in Fault.__struct_fields__:
        assert f"| `{name}` | " in PAGE
    for name in rooms_emulator.__all__:
        assert f"`{name}`" in PAGE
    for name in inspect.signature(Emulator).parameters:
        assert f"| `{name}` | " in PAGE
    for name in PRESETS:
        assert f"`{name}`" in PAGE
    families = {**routes.OPERATION_FAMILIES, **identity_routes.OPERATION_FAMILIES}
    for name, operations in families.items():
        assert f"| `{name}` | {', '.join(f'`{each}`' for each in operations)} |" in PAGE
    for name in (EVERY_REQUEST, *OPTIONS):
        assert f"| `{name}` | " in PAGE
