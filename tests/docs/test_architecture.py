"""docs/architecture.md lists the files that calls run, and the folders that exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.paths import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def files_run(call: str) -> set[str]:
    """Return the modules of rooms_gateway that a call runs."""
    # A separate process, because the guard profiles threads of the whole process.
    command = [sys.executable, "-m", "benchmarks.guard", "--frames", "--only", call]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout
    # Log lines are written after the call, so it depends on time whether they are seen.
    return set(re.findall(r"rooms_gateway/([\w/]+)\.py", lines)) - {"telemetry/log_lines"}


def listed() -> set[str]:
    """Return the modules in the table of a unary call."""
    [table] = re.findall(r"A call runs these.*?\n\n(.*?)\n\n", PAGE, re.DOTALL)
    found = set()
    for folder, names in re.findall(r"^\| (\S+) \| (.*) \|$", table, re.MULTILINE)[2:]:
        prefix = "" if folder == "base" else folder.strip("`")
        found |= {f"{prefix}{name}" for name in re.findall(r"`([^`]+)`", names)}
    return found


@pytest.fixture(scope="module")
def unary() -> set[str]:
    return files_run("GetRoom")


def test_unary_call_runs_the_listed_files(unary: set[str]) -> None:
    assert listed() == unary
    [number] = re.findall(r"A call runs these (\d+) files", PAGE)
    assert int(number) == len(unary)


def test_stream_runs_three_more_files(unary: set[str]) -> None:
    [sentence] = re.findall(r"runs three more files than `GetRoom`:\s+(.*?)\.\n", PAGE, re.DOTALL)
    assert files_run("ListRooms") - unary == set(re.findall(r"`([^`]+)`", sentence))


def test_listed_paths_exist() -> None:
    tables = re.findall(r"^\| (?:folder or )?module .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    assert len(tables) == 3
    for name in re.findall(
        r"`([^`]+)`", "\n".join(re.findall(r"^\| (.*?) \|", "".join(tables), re.MULTILINE))
    ):
        roots = [ROOT / "gateway" / name, ROOT / "gateway/rooms_gateway" / name]
        assert any(path.exists() or path.with_suffix(".py").exists() for path in roots), name
