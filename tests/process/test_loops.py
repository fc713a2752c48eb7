"""What the process runs on, and that it still runs without what only makes it faster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
import uvloop

from gateway import loops
from gateway.cli.serve import GRPC_EXPERIMENTS


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_the_loop_is_uvloop() -> None:
    assert loops.run(kind_of_loop()) == uvloop.Loop.__module__


def test_without_uvloop_the_loop_is_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(kind_of_loop()).startswith("asyncio.")


@pytest.mark.parametrize(
    ("names", "complaint"), [(GRPC_EXPERIMENTS, ""), ("-no_such_thing", "Unknown experiment")]
)
def test_grpc_knows_the_experiments_that_we_switch_off_by_name(names: str, complaint: str) -> None:
    # Set in the process, as `serve` does. grpc complains of a name on standard error.
    code = (
        f"import os; os.environ['GRPC_EXPERIMENTS'] = {names!r}\n"
        "import grpc; grpc.insecure_channel('127.0.0.1:1').close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert complaint in done.stderr
    assert bool(done.stderr) == bool(complaint)
