"""The page on settings is run: its commands, in their order, print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from rooms_gateway.cli.serve.command import GRPC_EXPERIMENTS

PAGE = ROOT / "docs/how-to/configure.md"
TEXT = PAGE.read_text(encoding="utf-8")

(SETTINGS,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
CONSOLE = "".join(re.findall(r"^```console\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", CONSOLE, re.MULTILINE)


def without_columns(text: str) -> str:
    # Their widths are those of rows that the page leaves out.
    return re.sub(r" +", " ", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configure")
    (folder / "gateway.toml").write_text(SETTINGS)
    return folder


@pytest.mark.parametrize(("command", "expected"), COMMANDS)
def test_a_command_of_the_page_prints_what_it_says(
    folder: Path, command: str, expected: str
) -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**inherited, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert without_columns(done.stdout) == without_columns(expected)


def test_the_page_has_commands_to_run() -> None:
    assert len(COMMANDS) == CONSOLE.count("$ ") > 5


def test_every_relative_link_of_the_page_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target


def test_the_page_has_what_grpc_is_told() -> None:
    assert f"| `GRPC_EXPERIMENTS` | `{GRPC_EXPERIMENTS}` |" in TEXT
    assert "| `GRPC_VERBOSITY` | `NONE` |" in TEXT
