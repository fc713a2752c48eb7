"""Guard of the cost of calls: accepts equal code, and reports every growth."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.paths import ROOT

from benchmarks.guard.__main__ import BOUNDS, compare
from benchmarks.guard.bounds import Counted, accept, differences, read
from benchmarks.guard.counting import WORKS
from benchmarks.guard.kinds import BYTES, FRAMES, KINDS, REQUESTS, Kind

WORK = "GetRoom"
LONGER = (
    "from msgspec import structs; "
    "request = structs.replace(request, target=request.target + '&x=y')"
)
HERE, ELSEWHERE = "CPython 3.11", "CPython 3.13"


def guard(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the guard on the gateway in `folder`, against the bounds there."""
    path = os.pathsep.join(
        str(part) for part in (folder / "gateway", ROOT, ROOT / "generated/python")
    )
    command = [sys.executable, "-m", "benchmarks.guard", "--only", WORK, "--bounds", "bounds.json"]
    return subprocess.run(
        [*command, *args], cwd=folder, env=os.environ | {"PYTHONPATH": path}, check=False,
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the gateway and its bounds."""
    folder = tmp_path_factory.mktemp("accepted")
    shutil.copytree(ROOT / "gateway", folder / "gateway")
    done = guard(folder, "--accept")
    assert done.returncode == 0, done.stderr
    return folder


def test_equal_code_has_equal_counts(accepted: Path) -> None:
    done = guard(accepted, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads((accepted / "bounds.json").read_text())


def changed(
    accepted: Path, folder: Path, line: str, *, patience: str = "30"
) -> subprocess.CompletedProcess[str]:
    """Run the guard on a gateway that executes `line` before each request to the upstream."""
    shutil.copytree(accepted, folder, dirs_exist_ok=True)
    sender = folder / "gateway/rooms_gateway/upstream/transport/sender.py"
    with sender.open("a", encoding="utf-8") as file:
        file.write(f"""

_send = Sender.send

async def send(self, request, call):
    {line}
    return await _send(self, request, call)

Sender.send = send
""")
    return guard(folder, "--patience", patience)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("frames of the gateway", "(lambda: None)()"),
        ("upstream requests", "await _send(self, request, call)"),
        ("upstream bytes", LONGER),
    ],
    ids=["frames", "requests", "bytes"],
)
def test_growth_names_call_and_count(accepted: Path, tmp_path: Path, kind: str, line: str) -> None:
    done = changed(accepted, tmp_path, line)
    assert done.returncode == 1
    grown = re.search(rf"{WORK}: {kind}: (\d+) before, (\d+) now\n", done.stderr)
    assert grown, done.stderr
    assert int(grown[2]) > int(grown[1])
    assert "make guard GUARD=--accept" in done.stderr


def test_tasks_left_behind_are_an_error(accepted: Path, tmp_path: Path) -> None:
    line = "import asyncio; self.left = asyncio.create_task(asyncio.Event().wait())"
    done = changed(accepted, tmp_path, line, patience="0.5")
    assert done.returncode == 1
    assert "leave tasks behind" in done.stderr


def test_a_failing_call_is_an_error(accepted: Path, tmp_path: Path) -> None:
    done = changed(accepted, tmp_path, "raise ValueError")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: a counted call failed")


def test_bounds_are_complete() -> None:
    kinds = {kind.name for kind in KINDS}
    bounds = {name: set(counts) for name, counts in read(BOUNDS).works.items()}
    assert bounds == {name: kinds for name in WORKS}  # noqa: C420


def counted(kind: Kind = REQUESTS, number: int = 10, on: str = HERE) -> Counted:
    """Return counts of 10, and `number` for `kind`."""
    counts = dict.fromkeys((kind.name for kind in KINDS), 10)
    return Counted(on, {WORK: counts | {kind.name: number}})


@pytest.mark.parametrize(
    ("now", "grown", "others"),
    [
        (counted(), [], []),
        (counted(REQUESTS, 11), ["upstream requests"], []),
        (counted(REQUESTS, 9), [], ["upstream requests"]),
        (counted(BYTES, 10 + BYTES.allowance), [], ["upstream bytes"]),
        (counted(BYTES, 11 + BYTES.allowance), ["upstream bytes"], []),
        (counted(FRAMES, 11), ["frames of the gateway"], []),
        (counted(FRAMES, 11, ELSEWHERE), [], []),
        (counted(REQUESTS, 11, ELSEWHERE), ["upstream requests"], []),
        (Counted(HERE, {"New": counted().works[WORK]}), [kind.name for kind in KINDS], []),
    ],
)
def test_rules_of_comparison(now: Counted, grown: list[str], others: list[str]) -> None:
    found = list(differences(counted(), now))
    assert [found.kind.name for found in found if found.too_much] == grown
    assert [found.kind.name for found in found if not found.too_much] == others


@pytest.mark.parametrize(
    "text", [None, "", "[]", "<<<<<<< main", '{"on": "", "works": {"GetRoom": 1}}', "\0\xff"]
)
def test_unreadable_bounds_name_the_remedy(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bounds.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(click.ClickException, match="make guard GUARD=--accept"):
        compare(path, counted())
    accept(path, counted())
    assert read(path) == counted()


def test_accepting_one_call_keeps_other_bounds(tmp_path: Path) -> None:
    path = tmp_path / "bounds.json"
    other = Counted(HERE, {"Other": {"upstream requests": 1}})
    accept(path, other)
    accept(path, counted())
    assert read(path).works == other.works | counted().works
    accept(path, counted(on=ELSEWHERE))
    assert read(path) == counted(on=ELSEWHERE)
