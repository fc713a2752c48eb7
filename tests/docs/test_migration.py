"""The commands and programs of `docs/how-to/migrate-from-the-sdks.md` print what it shows."""

from __future__ import annotations

import asyncio
import os
import re
import sys

import click
import pytest
from acs.rooms.v1 import error_reason_pb2
from support.client_commands import UUID
from support.contract import METHODS
from support.fake_gateway import APP
from support.gateways import gateway_for
from support.paths import ROOT
from support.tools import GRPCURL

from rooms_emulator import Emulator

PAGE = ROOT / "docs/how-to/migrate-from-the-sdks.md"
TEXT = PAGE.read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:50051"

COMMANDS = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE
)


async def printed_by(*command: str) -> str:
    """Run a command against a new gateway, with its address instead of that of the page."""
    async with Emulator() as emulator, gateway_for(emulator) as running:
        typed = [part.replace(ADDRESS, running.gateway.addresses[0]) for part in command]
        process = await asyncio.create_subprocess_exec(
            *typed,
            env={**os.environ, "PATH": f"{GRPCURL.parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    return output.decode()


def without_space(text: str) -> str:
    # protojson of Go varies its white space: golang/protobuf#1121.
    return re.sub(r"\s+", "", text)


@pytest.mark.needs("grpcurl")
@pytest.mark.parametrize(("command", "expected"), COMMANDS)
async def test_command_prints_what_the_page_shows(command: str, expected: str) -> None:
    assert without_space(await printed_by("bash", "-c", command)) == without_space(expected)


@pytest.mark.parametrize(("program", "expected"), PROGRAMS)
async def test_program_prints_what_the_page_shows(program: str, expected: str) -> None:
    assert await printed_by(sys.executable, "-c", program) == expected


def test_all_programs_and_commands_are_run() -> None:
    assert len(PROGRAMS) == TEXT.count("```python")
    assert len(COMMANDS) == TEXT.count("```console")


def test_shell_commands_are_complete_and_valid() -> None:
    """Each command of the client parses as the page writes it; nothing is sent."""
    written = re.findall(r"\| `((?:rooms|participants|users) [^`]*)`[^|]*\|$", TEXT, re.MULTILINE)
    for line in written:
        group, command, *arguments = line.replace("GUID", UUID).split()
        found = APP.commands[group]
        assert isinstance(found, click.Group)
        found.commands[command].make_context(command, arguments)
    names = {" ".join(line.split()[:2]) for line in written}
    others = {
        "participants sync",
        "rooms export",
        "rooms import",
        "rooms bulk-create",
        "rooms bulk-delete",
        "participants update",
        "join admit",
        "join create-room",
        "join explain",
    }  # `az` has no counterpart
    assert names | others == {
        f"{group.name} {name}"
        for group in APP.commands.values()
        if isinstance(group, click.Group)
        for name in group.commands
    }


def test_tables_have_the_rpcs_of_the_contract() -> None:
    rpcs = {f"{method.containing_service.name}.{method.name}" for method in METHODS}
    assert set(re.findall(r"`(\w+Service\.\w+)`", TEXT)) == rpcs


def test_every_reason_on_the_page_is_published() -> None:
    named = set(re.findall(r"\bERROR_REASON_\w+", TEXT))
    assert named - set(error_reason_pb2.ErrorReason.keys()) == set()
    assert len(named) > 1


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
