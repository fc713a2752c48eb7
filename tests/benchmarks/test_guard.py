"""The guard of what calls cost: it lets the same code through, and names what has been added."""

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
from benchmarks.guard.kinds import BYTES, FRAMES, KINDS, TASKS, Kind

WORK = "GetRoom"
LONGER = (
    "from msgspec import structs; "
    "request = structs.replace(request, target=request.target + '&x=y')"
)
KEPT = "self.kept = (getattr(self, 'kept', None), object())"
HERE, ELSEWHERE = "CPython 3.11 with uvloop", "CPython 3.13 with uvloop"


def guard(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the guard on the gateway in `folder`, with bounds of its own."""
    path = os.pathsep.join(str(part) for part in (folder / "gateway", ROOT, ROOT / "generated"))
    command = [sys.executable, "-m", "benchmarks.guard", "--only", WORK, "--bounds", "bounds.json"]
    return subprocess.run(
        [*command, *args], cwd=folder, env=os.environ | {"PYTHONPATH": path}, check=False,
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the gateway, and the bounds it keeps."""
    folder = tmp_path_factory.mktemp("accepted")
    shutil.copytree(ROOT / "gateway", folder / "gateway")
    done = guard(folder, "--accept")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_same_gateway_costs_the_same_again(accepted: Path) -> None:
    done = guard(accepted, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads((accepted / "bounds.json").read_text())


def changed(
    accepted: Path, folder: Path, module: str, added: str
) -> subprocess.CompletedProcess[str]:
    """Run the guard on a gateway with something added to a module."""
    shutil.copytree(accepted, folder, dirs_exist_ok=True)
    with (folder / "gateway" / "rooms_gateway" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{added}\n")
    return guard(folder)


def before_each_send(line: str) -> tuple[str, str]:
    """Return a module, and what to add to it for `line` to be done with each request."""
    return "upstream/transport/sender.py", f"""
_send = Transport.send

async def send(self, request, call):
    {line}
    return await _send(self, request, call)

Transport.send = send
"""  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "module", "added"),
    [
        ("frames of the gateway", *before_each_send("pass")),
        ("frames of all", *before_each_send("import json; json.dumps([], indent=1)")),
        ("calls into C", *before_each_send("[len(()) for _ in range(9)]")),
        ("tasks", *before_each_send("import asyncio; await asyncio.create_task(asyncio.sleep(0))")),
        ("steps of tasks", *before_each_send("import asyncio; await asyncio.sleep(0)")),
        ("upstream requests", *before_each_send("await _send(self, request, call)")),
        ("upstream bytes", *before_each_send(LONGER)),
        ("blocks of memory kept", *before_each_send(KEPT)),
        (
            "upstream connections",
            "upstream/transport/connection.py",
            "Connection.usable = property(lambda self: False)",
        ),
        (
            "upstream writes",
            "upstream/transport/connection.py",
            """
_made = Connection.connection_made

def made(self, transport):
    write = transport.write
    transport.write = lambda data: (write(data[:99]), write(data[99:]))
    _made(self, transport)

Connection.connection_made = made
""",
        ),
    ],
)
def test_what_is_added_to_each_call_is_named(
    accepted: Path, tmp_path: Path, kind: str, module: str, added: str
) -> None:
    done = changed(accepted, tmp_path, module, added)
    assert done.returncode == 1, done.stderr
    [line] = re.findall(rf"  {WORK}: {kind}: (\d+) before, (\d+) now\n", done.stderr)
    assert int(line[1]) > int(line[0])
    assert "make guard GUARD=--accept" in done.stderr


def test_a_call_that_fails_is_not_counted_but_said_so(accepted: Path, tmp_path: Path) -> None:
    done = changed(accepted, tmp_path, *before_each_send("raise ValueError"))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: a call that was to be counted failed")


def test_the_committed_bounds_have_every_count_of_every_work() -> None:
    kinds = {kind.name for kind in KINDS}
    bounds = {name: set(counts) for name, counts in read(BOUNDS).works.items()}
    assert bounds == {name: kinds for name in WORKS}  # noqa: C420


def counted(kind: Kind = TASKS, number: int = 10, on: str = HERE) -> Counted:
    """Return ten of each kind, but of one kind so many."""
    counts = dict.fromkeys((kind.name for kind in KINDS), 10)
    return Counted(on, {WORK: counts | {kind.name: number}})


@pytest.mark.parametrize(
    ("now", "grown", "others"),
    [
        (counted(), [], []),
        (counted(TASKS, 11), ["tasks"], []),
        (counted(TASKS, 9), [], ["tasks"]),
        (counted(BYTES, 10 + BYTES.allowance), [], ["upstream bytes"]),
        (counted(BYTES, 11 + BYTES.allowance), ["upstream bytes"], []),
        (counted(FRAMES, 11), ["frames of the gateway"], []),
        (counted(FRAMES, 11, ELSEWHERE), [], []),
        (counted(TASKS, 11, ELSEWHERE), ["tasks"], []),
        (Counted(HERE, {"New": counted().works[WORK]}), [kind.name for kind in KINDS], []),
    ],
)
def test_each_rule(now: Counted, grown: list[str], others: list[str]) -> None:
    found = list(differences(counted(), now))
    assert [found.kind.name for found in found if found.too_much] == grown
    assert [found.kind.name for found in found if not found.too_much] == others


@pytest.mark.parametrize(
    "text", [None, "", "[]", "<<<<<<< main", '{"on": "", "works": {"GetRoom": 1}}', "\0\xff"]
)
def test_bounds_that_cannot_be_read_say_how_to_write_them(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bounds.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(click.ClickException, match="make guard GUARD=--accept"):
        compare(path, counted())
    accept(path, counted())
    assert read(path) == counted()


def test_accepting_one_work_keeps_the_bounds_of_others_counted_alike(tmp_path: Path) -> None:
    path = tmp_path / "bounds.json"
    other = Counted(HERE, {"Other": {"tasks": 1}})
    accept(path, other)
    accept(path, counted())
    assert read(path).works == other.works | counted().works
    accept(path, counted(on=ELSEWHERE))
    assert read(path) == counted(on=ELSEWHERE)
