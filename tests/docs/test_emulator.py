"""What docs/emulator.md shows is run as it stands, on another port."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault
from rooms_emulator.rooms import routes

PAGE = (ROOT / "docs" / "emulator.md").read_text()
CLIENTS = ROOT / "tests" / "clients" / "node"
ADDRESS = "127.0.0.1:8125"


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


async def run(emulator: Emulator, *command: str, folder: Path = ROOT) -> str:
    """Run a snippet (the last part of the command) against this emulator."""
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
async def test_the_python_snippets_run(emulator: Emulator, snippet: str) -> None:
    await run(emulator, sys.executable, "-c", snippet)


@pytest.mark.needs("node-clients")
@pytest.mark.parametrize("snippet", snippets("js"))
async def test_the_javascript_snippet_runs(emulator: Emulator, snippet: str) -> None:
    module = ("node", "--input-type=module", "--eval", snippet)
    assert re.match(r"\d{4}-", await run(emulator, *module, folder=CLIENTS))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_shell_snippets_run(emulator: Emulator) -> None:
    """They seed lists with empty pages, move the clock, and order and remove faults."""
    outputs = [await run(emulator, "sh", "-ec", snippet) for snippet in snippets("sh")]
    seeded, clock, faults = outputs
    assert (len(emulator.store), seeded.count("roomIds")) == (15, 3)
    assert '"offsetSeconds":600.0' in clock
    assert emulator.clock.offset_seconds == 0
    assert faults.count('"struck":0') == 4
    assert emulator.faults.list() == ()


def test_the_page_names_the_key_the_operations_and_every_part_of_a_fault() -> None:
    assert f"endpoint=http://{ADDRESS}/;accesskey={DEVELOPMENT_KEY}\n" in PAGE
    for operation in routes.OPERATIONS:
        assert f"`{operation}`" in PAGE
    for name in Fault.__struct_fields__:
        assert f"| `{name}` | " in PAGE
