"""The Node client, as its page describes it, from an empty folder."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from support.gateways import gateway_for
from support.npm import consumer, dependencies
from support.paths import ROOT
from support.texts import examples, stable
from support.walks import FORMS, code_of, shell, walk

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault

PAGE = ROOT / "docs/how-to/clients/node.md"
README = ROOT / "clients/node/README.md"
EXAMPLE = ROOT / "clients/node/example"
CALLS = ROOT / "tests/clients/node-calls.mjs"

pytestmark = [pytest.mark.needs("client-node"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the commands of the page have run and its program is saved."""
    folder = consumer(PAGE, tmp_path_factory.mktemp("consumer"))
    (folder / "example.mjs").write_text(code_of(PAGE, "js"), "utf-8")
    return folder


async def run(script: str, folder: Path, emulator: Emulator) -> str:
    """Run a script that calls the gateway at 127.0.0.1:50051 with another gateway."""
    async with gateway_for(emulator, max_attempts=1) as running:
        script = script.replace("127.0.0.1:50051", running.gateway.addresses[0])
        return await asyncio.to_thread(shell, script, folder)


def test_page_is_the_example(folder: Path) -> None:
    assert code_of(PAGE, "js") == (EXAMPLE / "example.mjs").read_text("utf-8")
    installed, _ = dependencies(folder)
    example, _ = dependencies(EXAMPLE)
    assert example.items() <= installed.items()


@pytest.mark.parametrize("form", FORMS)
async def test_walk(folder: Path, form: str, tmp_path: Path) -> None:
    await walk(form, tmp_path, "node", "example.mjs", cwd=folder)


async def test_command_prints_what_the_page_shows(folder: Path, emulator: Emulator) -> None:
    [(command, output)] = examples(PAGE.read_text("utf-8"))
    assert stable(await run(command, folder, emulator)) == stable(output)


async def test_connect_prints_what_the_page_shows(folder: Path, emulator: Emulator) -> None:
    """The program for connect-node, which retries the DeleteRoom that fails."""
    emulator.faults.add(Fault(operation="DeleteRoom", status=503))
    script = f"node --input-type=module <<'END'\n{code_of(PAGE, 'javascript')}END"
    assert await run(script, folder, emulator) == code_of(PAGE, "text")
    deletes = [entry.status for entry in emulator.journal if entry.operation == "DeleteRoom"]
    assert deletes == [503, 204]


async def test_program_of_the_readme(folder: Path, emulator: Emulator) -> None:
    script = f"node --input-type=module <<'END'\n{code_of(README, 'js')}END"
    created, listed = (await run(script, folder, emulator)).splitlines()
    assert created.removeprefix("created") == listed.removeprefix("listed")


async def test_calls_that_end_early_or_fail(folder: Path, emulator: Emulator) -> None:
    emulator.store.seed(3000)
    emulator.faults.add(Fault(operation="GetRoom", latency=30))
    throttled = Fault(operation="DeleteRoom", status=429, headers={"Retry-After": "700"})
    emulator.faults.add(throttled)
    shutil.copy(CALLS, folder)
    await run(f"node {CALLS.name} 127.0.0.1:50051", folder, emulator)
    operations = [entry.operation for entry in emulator.journal]
    assert operations.count("DeleteRoom") == 1
    # Both lists ended long before their 100 pages were read.
    assert operations.count("ListRooms") < 100
