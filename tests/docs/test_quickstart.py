"""The commands of `docs/how-to/quickstart.md` print what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.paths import ROOT
from support.texts import blocks

PAGE = (ROOT / "docs/how-to/quickstart.md").read_text(encoding="utf-8")
GRPC, _, CLIENTS = PAGE.partition("\n## Microsoft's clients\n")
NODE_CLIENTS = ROOT / "tests/clients/node"
EMULATOR, GATEWAY = "127.0.0.1:8125", "127.0.0.1:50051"

# Values that differ from run to run.
VOLATILE = [
    (re.compile(r"\b994\d{12,14}\b"), "ROOM"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "TIME"),
    (re.compile(r"8:acs:[0-9a-f-]{36}_[0-9a-f-]{36}"), "USER"),
]
# The page abbreviates access tokens.
TOKEN = re.compile(r"\beyJ[\w-]+(?:\.[\w-]+\.[\w-]+|…)")
# protojson of Go varies its white space: golang/protobuf#1121.
SPACE = re.compile(r"(?<=[:,]) +")


def stable(text: str) -> str:
    """Replace users, rooms and times by names, numbered in the order of their appearance."""
    text = TOKEN.sub("TOKEN", SPACE.sub(" ", text))
    for pattern, name in VOLATILE:
        for number, value in enumerate(dict.fromkeys(pattern.findall(text)), 1):
            text = text.replace(value, f"{name}-{number}")
    return text.strip()


def program(language: str) -> tuple[str, str]:
    """Return the program in a language, and the output that follows it."""
    _, fence, rest = CLIENTS.partition(f"```{language}\n")
    return blocks(fence + rest, language)[0], blocks(rest, "text")[0]


@contextmanager
def process(section: str, address: str, **environment: str) -> Iterator[str]:
    """Run the command in the console of a section on a free port; yield its address.

    It must print the lines that the section shows.
    """
    [console] = blocks(section, "console")
    command, *shown = console.splitlines()
    arguments = command.removeprefix("$ .venv/bin/rooms-gateway ").replace(address, "127.0.0.1:0")
    with subprocess.Popen(
        [sys.executable, "-m", "rooms_gateway", *arguments.split()],
        cwd=ROOT, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        try:
            assert running.stdout is not None
            printed = [running.stdout.readline().rstrip("\n") for _ in shown]
            real = re.sub(".*[ /]", "", printed[0])
            assert [line.replace(real, address) for line in printed] == shown
            yield real
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with process(CLIENTS, EMULATOR) as address:
        yield address


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with process(GRPC, GATEWAY, ROOMS_GATEWAY_LISTEN="127.0.0.1:0") as address:
        yield address


def output(command: list[str], snippet: str, folder: Path = ROOT) -> str:
    path = os.pathsep.join([str(ROOT / ".tools"), os.environ["PATH"]])
    done = subprocess.run(
        [*command, snippet],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_prints_what_the_page_shows(emulator: str) -> None:
    snippet, expected = program("python")
    printed = output([sys.executable, "-c"], snippet.replace(EMULATOR, emulator))
    assert stable(printed) == stable(expected)


@pytest.mark.needs("node-clients")
def test_javascript_prints_what_the_page_shows(emulator: str) -> None:
    snippet, expected = program("js")
    command = ["node", "--input-type=module", "--eval"]
    printed = output(command, snippet.replace(EMULATOR, emulator), NODE_CLIENTS)
    assert stable(printed) == stable(expected)


@pytest.mark.needs("grpcurl")
def test_grpcurl_prints_what_the_page_shows(gateway: str) -> None:
    """The blocks run one after the other in one shell."""
    commands = "".join(blocks(GRPC, "sh")).replace(GATEWAY, gateway)
    assert stable(output(["sh", "-ec"], commands)) == stable("".join(blocks(GRPC, "text")))


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", PAGE):
        assert (ROOT / "docs/how-to" / target).exists(), target
