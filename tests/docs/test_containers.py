"""docs/how-to/containers.md: without an engine, its commands run as in a container."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from support.commands import Process, free_addresses, run, started
from support.paths import ROOT
from support.texts import blocks

PAGE = ROOT / "docs/how-to/containers.md"
TEXT = PAGE.read_text(encoding="utf-8")
LINES = [line for block in blocks(TEXT, "sh") for line in block.splitlines()]
RUNS = [line for line in LINES if line.startswith("docker run ")]
CURLS = [line for line in LINES if line.startswith("curl ")]
IMAGE = f"rooms-gateway:{version('rooms-gateway')}"
KEY = "a-key-of-this-test"
VARIABLE = "ROOMS_EMULATOR_CONTROL_KEY"


@dataclass(frozen=True, slots=True)
class Run:
    """A `docker run`: what it gives the container, and the arguments in the container."""

    ports: str
    variables: tuple[str, ...]
    volume: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> Run:
        """Split a command; an unknown flag is an error."""
        words = shlex.split(line)
        image = words.index(IMAGE)
        flags = words[2:image]
        assert flags.pop(0) == "--rm"
        given = dict(zip(flags[::2], flags[1::2], strict=True))
        assert given.keys() <= {"--publish", "--env", "--volume", "--user"}
        variables = (given["--env"],) if "--env" in given else ()
        return cls(
            given["--publish"], variables, given.get("--volume", ""), tuple(words[image + 1 :])
        )

    @asynccontextmanager
    async def started(self, folder: Path) -> AsyncIterator[tuple[Process, str, str]]:
        """Run the arguments with a free port, and with `folder` for the mounted one.

        Yields the process, the address that the host uses, and the real one.
        """
        [address] = free_addresses(1)
        host, outside, inside = self.ports.split(":")
        assert host == "127.0.0.1"
        assert f"0.0.0.0:{inside}" in self.arguments
        replaced = {f"0.0.0.0:{inside}": address.replace("127.0.0.1", "0.0.0.0")}
        real = [replaced.get(argument, argument) for argument in self.arguments]
        if self.volume:
            mounted = self.volume.split(":")[1]
            real = [argument.replace(mounted, str(folder)) for argument in real]
        env = dict.fromkeys(self.variables, KEY)
        arguments = ("-m", "rooms_gateway", *real)
        async with started(*arguments, env=env, program=sys.executable) as process:
            await process.line("(.* is ready on .*)")
            yield process, f"{host}:{outside}", address


@pytest.mark.parametrize("line", RUNS, ids=lambda line: line.partition(IMAGE)[2][:60])
async def test_every_container_is_healthy(line: str, tmp_path: Path) -> None:
    """By the command in the Dockerfile, with the number that the process has outside."""
    (tmp_path / "access-key").write_text("a2V5\n")
    [healthcheck] = re.findall(
        r"^HEALTHCHECK .* CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    async with Run.parse(line).started(tmp_path) as (process, _, _):
        program, *arguments = json.loads(healthcheck)
        assert program == "python"
        done = await run(*arguments, str(process.process.pid), program=sys.executable)
        assert (done.code, done.err) == (0, "")


async def test_host_controls_as_on_the_page(tmp_path: Path) -> None:
    """With the key of the run, or for Compose the public one of its file."""
    [controlled] = [line for line in RUNS if VARIABLE in line]
    async with Run.parse(controlled).started(tmp_path) as (_, written, real):
        for curl in CURLS:
            assert written in curl
            done = await run("-c", curl.replace(written, real), program="sh", env={VARIABLE: KEY})
            assert done.code == 0, done.err
            assert json.loads(done.out)
    [default] = re.findall(rf"\$\{{{VARIABLE}:-(.*?)\}}", TEXT)
    assert default in (ROOT / "deploy/compose/compose.yaml").read_text("utf-8")


async def test_generated_key_is_accepted() -> None:
    [command] = [line for line in LINES if line.startswith("export ")]
    done = await run("-c", f'{command}; printf %s "${VARIABLE}"', program="sh")
    assert re.fullmatch("[!-~]{16,256}", done.out)


def test_page_has_the_three_kinds_of_containers() -> None:
    kinds = {(run.arguments[0], "--emulator" in run.arguments) for run in map(Run.parse, RUNS)}
    assert kinds == {("emulator", False), ("serve", True), ("serve", False)}
    assert f"docker build --tag {IMAGE} ." in LINES


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
