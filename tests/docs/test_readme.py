"""The commands of the README print what it shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT
from support.texts import examples, stable
from support.tools import need

README = (ROOT / "README.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"

# The first has a separate test, the second runs this test, the others need Azure.
NOT_RUN_HERE = (
    "make run",
    "make test",
    "export COMMUNICATION_CONNECTION_STRING=",
    ".venv/bin/rooms-gateway serve",
)


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[str, str]]:
    """Run the first command of the README on a free port; yield its output and its address.

    It installs nothing, because the other tests use the same environment at this moment.
    """
    environment = {**os.environ, "ROOMS_GATEWAY_LISTEN": "127.0.0.1:0"}
    # With the variables of `make test`, make would print the directories that it enters.
    for name in ("COMMUNICATION_CONNECTION_STRING", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    venv = os.path.relpath(sys.prefix, ROOT)
    process = subprocess.Popen(
        ["make", "run", f"VENV={venv}", f"--assume-old={venv}/.run"],
        cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and "buf curl" in lines[-1]):
            line = process.stdout.readline()
            assert line, f"make run ended after {lines}"
            lines.append(line)
        address = next(line for line in lines if "is ready on" in line).split()[-1]
        yield "".join(lines), address
        # Ctrl-C in a terminal reaches make and the gateway.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_make_run_prints_what_the_readme_shows(made: tuple[str, str]) -> None:
    printed, address = made
    expected = dict(examples(README))["make run"]
    shown = printed.replace(address, GATEWAY)
    if shutil.which("buf") and "  .venv/bin/buf" not in shown:
        expected = expected.replace(".venv/bin/buf", "buf")
    assert stable(shown) == stable(expected)


@pytest.mark.parametrize(
    ("command", "expected"),
    [example for example in examples(README) if not example[0].startswith(NOT_RUN_HERE)],
)
def test_command_prints_what_the_readme_shows(
    made: tuple[str, str], command: str, expected: str
) -> None:
    if command.startswith("grpcurl"):
        need("grpcurl")
    _, address = made
    path = os.pathsep.join(
        [str(ROOT / ".tools"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    done = subprocess.run(
        ["bash", "-c", command.replace(GATEWAY, address)],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "ROOMS_GATEWAY_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = (done.stdout + done.stderr).replace(address, GATEWAY)
    if expected:
        assert stable(printed) == stable(expected)
    else:
        assert done.returncode == 0, printed


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
