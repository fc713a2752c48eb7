"""The pytest plugin, in separate runs of pytest, as its users run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from support.commands import PATIENCE, accepts_connections
from support.gateways import until
from support.paths import ROOT

PAGE = (ROOT / "docs" / "how-to" / "test-your-failures.md").read_text()

INI = """
[pytest]
addopts = -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

FAILING = """
import os, signal

def test_fails(rooms_emulator, rooms_gateway):
    print("pid", rooms_gateway.pid)
    rooms_emulator.fault("outage", on="GetRoom")
    rooms_emulator.set_quotas("reads=5/1s,window")
    assert False

def test_kills(rooms_gateway):
    os.kill(rooms_gateway.pid, signal.SIGKILL)

def test_injects_unknown_fault(rooms_emulator):
    rooms_emulator.fault("gzip-bom")

async def test_asynchronous(rooms_emulator):
    assert rooms_emulator.requests() == []
"""


def run_pytest(folder: Path, text: str, *options: str) -> tuple[int, str]:
    file = folder / "test_users.py"
    file.write_text(text)
    (folder / "pytest.ini").write_text(INI)
    plugins = ("-p", "rooms_gateway.pytest_plugin", "-p", "pytest_asyncio.plugin")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, str(file)],
        cwd=folder,
        # The plugin is loaded by name: this checkout need not be installed.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return done.returncode, done.stdout + done.stderr


def test_tests_of_the_page_pass(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code, output = run_pytest(tmp_path, snippet)
    assert code == 0, output
    assert "4 passed" in output


def test_failed_test_reports_the_processes(tmp_path: Path) -> None:
    """The report has seed, faults, quotas and log, and no process is left.

    A gateway that ended early and an unknown fault are reported too.
    """
    _, output = run_pytest(tmp_path, FAILING, "--rooms-fault-seed=42")
    assert "2 failed, 2 passed, 1 error" in output, output
    assert "repeat with --rooms-fault-seed=42" in output
    assert "fault 1 outage on GetRoom: matched 0, struck 0" in output
    assert "quota reads=5/1s,window: accepted 0, rejected 0" in output
    assert "rooms-gateway serve ended with exit code -9" in output
    assert "did you mean gzip-bomb?" in output
    pid = re.search(r"pid (\d+)", output)
    assert pid is not None
    assert not Path(f"/proc/{pid[1]}").exists()


async def test_processes_end_with_a_killed_pytest(tmp_path: Path) -> None:
    text = f"""
import os, signal

def test_dies(rooms_emulator, rooms_gateway):
    endpoint = rooms_emulator.endpoint.removeprefix("http://")
    with open("{tmp_path}/addresses", "w") as file:
        print(endpoint, rooms_gateway.address, file=file)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    code, output = run_pytest(tmp_path, text)
    assert code == -signal.SIGKILL, output
    addresses = (tmp_path / "addresses").read_text("utf-8").split()
    await until(lambda: not any(map(accepts_connections, addresses)), PATIENCE)


def test_entry_point_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"rooms_gateway": "rooms_gateway.pytest_plugin"}


CONTROLLED = """
import urllib.error, urllib.request
import pytest

@pytest.fixture
def rooms_emulator_control_key():
    return "a-key-of-this-test"

def test_key(rooms_emulator, rooms_gateway):
    rooms_emulator.seed_rooms(2)
    rooms_emulator.reset()
    url = f"{rooms_emulator.control_endpoint}/_emulator/clock"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url)
    with_key = {"Authorization": f"Bearer {rooms_emulator.control_key}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=with_key)) as response:
        assert response.status == 200
"""


def test_fixtures_use_the_control_key(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, CONTROLLED)
    assert code == 0, output
