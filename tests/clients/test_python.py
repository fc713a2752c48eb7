"""The Python client, as its page describes it, from an empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.walks import FORMS, code_of, shell, walk

PAGE = ROOT / "docs/how-to/clients/python.md"
EXAMPLE = ROOT / "clients/python/example/rooms.py"
WHEELS = ROOT / "dist/clients/python"
OLDEST = ROOT / ".tools/oldest-grpcio"
UV = f"{sys.executable} -m uv pip install --quiet"

pytestmark = [pytest.mark.needs("client-python"), pytest.mark.timeout(600)]

MYPY_INI = """
[mypy]
strict = true

[mypy-google.rpc.*]
follow_untyped_imports = true
"""


@pytest.fixture(scope="module")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the commands of the page have run and its program is saved."""
    folder = tmp_path_factory.mktemp("consumer")
    shell(code_of(PAGE, "sh"), folder, {"PIP_FIND_LINKS": str(WHEELS)})
    (folder / "rooms.py").write_text(code_of(PAGE, "python", blank_lines=2), "utf-8")
    return folder


def test_page_is_the_example() -> None:
    assert code_of(PAGE, "python", blank_lines=2) == EXAMPLE.read_text("utf-8")


@pytest.mark.parametrize("form", FORMS)
async def test_walk(consumer: Path, form: str, tmp_path: Path) -> None:
    await walk(form, tmp_path, consumer / ".venv/bin/python", "rooms.py", cwd=consumer)


@pytest.mark.needs("oldest-grpcio/installed")
async def test_walk_with_the_oldest_libraries(tmp_path: Path) -> None:
    [wheel] = WHEELS.glob("*.whl")
    shell(f"{UV} --no-deps --reinstall --python {OLDEST}/bin/python {wheel}", tmp_path)
    await walk("tls", tmp_path, OLDEST / "bin/python", EXAMPLE)


def test_types(consumer: Path, tmp_path: Path) -> None:
    """`mypy --strict` accepts the program, and finds the types of the package."""
    (tmp_path / "rooms.py").write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    wrong = "from acs.rooms.v1.rooms_pb2 import Room\n\nRoom(id=1)\n"
    (tmp_path / "wrong.py").write_text(wrong, "utf-8")
    (tmp_path / "mypy.ini").write_text(MYPY_INI, "utf-8")
    python = consumer / ".venv/bin/python"
    shell(f"{UV} --python {python} types-grpcio types-protobuf", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", python, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "wrong.py",
        "Found 1 error in 1 file (checked 2 source files)",
    ]
