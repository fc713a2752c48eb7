"""The event loop of the process, and the experiments of grpc that it switches off."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest
import uvloop
from support.commands import REFUSING, run, started

from rooms_gateway.cli.serve import event_loop as loops
from rooms_gateway.cli.serve.command import GRPC_EXPERIMENTS


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_loop_is_uvloop() -> None:
    assert loops.run(kind_of_loop()) == uvloop.Loop.__module__


def test_without_uvloop_loop_is_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(kind_of_loop()).startswith("asyncio.")


@pytest.mark.parametrize(
    ("names", "warning"), [(GRPC_EXPERIMENTS, ""), ("-no_such_thing", "Unknown experiment")]
)
def test_grpc_knows_the_disabled_experiments(names: str, warning: str) -> None:
    # Set in the process, as `serve` does. grpc warns of an unknown name on standard error.
    code = (
        f"import os; os.environ['GRPC_EXPERIMENTS'] = {names!r}\n"
        "import grpc; grpc.insecure_channel('127.0.0.1:1').close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert warning in done.stderr
    assert bool(done.stderr) == bool(warning)


@pytest.mark.parametrize(
    ("env", "warned"),
    [
        ({}, False),
        ({"GRPC_EXPERIMENTS": "-no_such_thing"}, True),
        ({"GRPC_EXPERIMENTS": ""}, False),
    ],
    ids=["not set", "set", "empty"],
)
async def test_experiments_of_an_operator_are_kept(env: dict[str, str], *, warned: bool) -> None:
    async with started("serve", *REFUSING, "--listen", "127.0.0.1:0", env=env) as gateway:
        await gateway.address()
    assert ("Unknown experiment: no_such_thing" in gateway.err) is warned


@pytest.mark.parametrize(
    ("env", "logged"),
    [({}, False), ({"GRPC_VERBOSITY": "ERROR"}, True)],
    ids=["not set", "set"],
)
async def test_grpc_logs_only_if_configured(env: dict[str, str], *, logged: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = await run("serve", *REFUSING, "--listen", address, env=env)
    assert done.code == 3
    assert ("Address already in use" in done.err) is logged
