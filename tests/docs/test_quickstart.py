"""The commands of `docs/how-to/quickstart.md` print what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.paths import ROOT

PAGE = (ROOT / "docs/how-to/quickstart.md").read_text(encoding="utf-8")
NODE_CLIENTS = ROOT / "tests/clients/node"
EMULATOR, GATEWAY = "127.0.0.1:8125", "127.0.0.1:50051"

BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

# Values that differ from run to run.
VOLATILE = [
    (re.compile(r"\b994\d{12,14}\b"), "ROOM"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "TIME"),
    (re.compile(r"8:acs:[0-9a-f-]{36}_[0-9a-f-]{36}"), "USER"),
]
# protojson of Go varies its white space: golang/protobuf#1121.
SPACE = re.compile(r"(?<=[:,]) +")


def stable(text: str) -> str:
    """Replace users, rooms and times by names, numbered in the order of their appearance."""
    text = SPACE.sub(" ", text)
    for pattern, name in VOLATILE:
        for number, value in enumerate(dict.fromkeys(pattern.findall(text)), 1):
            text = text.replace(value, f"{name}-{number}")
    return text.strip()


def block(language: str) -> tuple[str, str]:
    """Return the only block in a language, and the output that follows it."""
    at = [number for number, (name, _) in enumerate(BLOCKS) if name == language]
    assert len(at) == 1
    assert BLOCKS[at[0] + 1][0] == "text"
    return BLOCKS[at[0]][1], BLOCKS[at[0] + 1][1]


def started() -> list[str]:
    """Return the lines that emulator and gateway print on the page when they are ready."""
    return [
        line
        for language, text in BLOCKS
        if language == "console"
        for line in text.splitlines()
        if not line.startswith("$ ")
    ]


@contextmanager
def process(lines: int, *arguments: str, **environment: str) -> Iterator[list[str]]:
    """Run `rooms-gateway`; yield its first lines of output."""
    with subprocess.Popen(
        [sys.executable, "-m", "rooms_gateway", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        try:
            assert running.stdout is not None
            yield [running.stdout.readline().rstrip("\n") for _ in range(lines)]
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Start both on free ports; yield the addresses of the page, and the real ones."""
    with ExitStack() as parts:
        ready, connection_string = parts.enter_context(
            process(2, "emulator", "--listen", "127.0.0.1:0")
        )
        emulator = ready.rpartition("http://")[2]
        (serving,) = parts.enter_context(
            process(
                1,
                "serve",
                ROOMS_GATEWAY_LISTEN="127.0.0.1:0",
                COMMUNICATION_CONNECTION_STRING=connection_string,
            )
        )
        gateway = serving.split()[-1]
        printed = f"{ready}\n{connection_string}\n{serving}"
        shown = printed.replace(emulator, EMULATOR).replace(gateway, GATEWAY)
        assert shown.splitlines() == started()
        yield {EMULATOR: emulator, GATEWAY: gateway}


def output(addresses: dict[str, str], command: list[str], snippet: str, folder: Path) -> str:
    for shown, real in addresses.items():
        snippet = snippet.replace(shown, real)
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


def test_python_prints_what_the_page_shows(addresses: dict[str, str]) -> None:
    snippet, expected = block("python")
    printed = output(addresses, [sys.executable, "-c"], snippet, ROOT)
    assert stable(printed) == stable(expected)


@pytest.mark.needs("node-clients")
def test_javascript_prints_what_the_page_shows(addresses: dict[str, str]) -> None:
    snippet, expected = block("js")
    command = ["node", "--input-type=module", "--eval"]
    assert stable(output(addresses, command, snippet, NODE_CLIENTS)) == stable(expected)


@pytest.mark.needs("grpcurl")
def test_grpcurl_prints_what_the_page_shows(addresses: dict[str, str]) -> None:
    snippet, expected = block("sh")
    assert stable(output(addresses, ["sh", "-ec"], snippet, ROOT)) == stable(expected)


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", PAGE):
        assert (ROOT / "docs/how-to" / target).exists(), target
