"""The Go module, from a folder for GOPROXY; `docs/how-to/clients/go.md` from an empty folder."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.gateways import gateway_for
from support.go_module import go_environment
from support.paths import ROOT
from support.texts import stable
from support.walks import FORMS, walk

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault

# The first build compiles grpc.
pytestmark = [pytest.mark.needs("client-go"), pytest.mark.timeout(600)]

EXAMPLE = ROOT / "clients/go/example"
ADDRESS = "127.0.0.1:50051"
PROGRAMS = ("main.go", "connect/main.go")


def parts(language: str) -> list[list[str]]:
    """Return the blocks in a language: those of grpc-go, and those of the section on connect-go."""
    page = (ROOT / "docs/how-to/clients/go.md").read_text("utf-8")
    return [
        re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
        for part in page.split("\n## connect-go\n")
    ]


[[INSTALL, *RUN], RUN_CONNECT] = parts("sh")
COMMANDS = dict(zip(PROGRAMS, map("".join, (RUN, RUN_CONNECT)), strict=True))
OUTPUTS = dict(zip(PROGRAMS, map("".join, parts("text")), strict=True))


def command(program: str) -> tuple[str, ...]:
    """Return a shell that runs the commands of the page; its further arguments are the target."""
    return ("sh", "-ec", COMMANDS[program].replace(ADDRESS, '"$@"'), "sh")


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    return go_environment()


@pytest.fixture(scope="module")
def project(environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the module and the programs, made by the commands of the page."""
    folder = tmp_path_factory.mktemp("project")
    subprocess.run(["sh", "-ec", INSTALL], cwd=folder, env=environment, check=True)
    for name, blocks in zip(PROGRAMS, parts("go"), strict=True):
        program = folder / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("\n".join(blocks), "utf-8")
    return folder


@pytest.mark.parametrize("form", FORMS)
async def test_first_call(
    form: str, project: Path, environment: Mapping[str, str], tmp_path: Path
) -> None:
    await walk(form, tmp_path, *command("main.go"), cwd=project, env=environment)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_output_and_retry(
    program: str, project: Path, environment: Mapping[str, str], emulator: Emulator
) -> None:
    """The page shows the output. The client retries: the gateway makes one attempt."""
    emulator.faults.add(Fault(operation="CreateRoom", status=503))
    async with gateway_for(emulator, max_attempts=1) as running:
        process = await asyncio.create_subprocess_exec(
            *command(program),
            running.gateway.addresses[0],
            cwd=project,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert (process.returncode, stable(out.decode())) == (0, stable(OUTPUTS[program]))
    created = [entry.status for entry in emulator.journal if entry.operation == "CreateRoom"]
    assert created == [503, 201]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_of_the_page_is_the_example(program: str, project: Path) -> None:
    assert (project / program).read_text("utf-8") == (EXAMPLE / program).read_text("utf-8")


def test_example_builds_in_the_checkout(environment: Mapping[str, str]) -> None:
    subprocess.run(["go", "vet", "./..."], cwd=EXAMPLE, env=environment, check=True)
