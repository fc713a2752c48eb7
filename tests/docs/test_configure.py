"""The commands of `docs/how-to/configure.md` print what the page shows."""

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
PREPARATION, *SESSIONS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def commands_in(session: str) -> list[tuple[str, str]]:
    """Return each command with the output that the page shows for it."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE)


def without_columns(text: str) -> str:
    # Their widths depend on rows that the page leaves out.
    return re.sub(r" +", " ", text)


def run(session: str, folder: Path) -> None:
    """Run the commands of a session in `folder`, and compare their outputs."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]])
    for command, expected in commands_in(session):
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


@pytest.mark.parametrize("session", SESSIONS, ids=range(len(SESSIONS)))
def test_session_prints_what_the_page_shows(session: str, tmp_path: Path) -> None:
    """Each begins with the page's settings file and key, so none depends on another."""
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    run(PREPARATION, tmp_path)
    run(session, tmp_path)


def test_the_page_has_commands_to_run() -> None:
    commands = [command for session in SESSIONS for command in commands_in(session)]
    assert len(commands) == "".join(SESSIONS).count("$ ") > 5


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target


def test_the_page_has_the_variables_of_grpc() -> None:
    assert f"| `GRPC_EXPERIMENTS` | `{GRPC_EXPERIMENTS}` |" in TEXT
    assert "| `GRPC_VERBOSITY` | `NONE` |" in TEXT
