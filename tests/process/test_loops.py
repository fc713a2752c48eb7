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
    return type(asyncio.get_running_loop()).__bases__[-1].__module__


def test_loop_is_uvloop() -> None:
    assert loops.run(kind_of_loop()) == uvloop.Loop.__module__


def test_without_uvloop_loop_is_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(kind_of_loop()).startswith("asyncio.")


@pytest.mark.parametrize("uvloop_too", [True, False])
def test_a_hanging_lookup_does_not_delay_the_exit(*, uvloop_too: bool) -> None:
    """The process ends at once, although the DNS lookup of a call that timed out still runs."""
    code = f"""
import asyncio, socket, sys, time
if not {uvloop_too}:
    sys.modules["uvloop"] = None
from rooms_gateway.cli.serve import event_loop

socket.getaddrinfo = lambda *_, **__: time.sleep(3600)

async def main():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.get_running_loop().getaddrinfo("rooms.example", 443, type=1)
    except TimeoutError:
        print("timed out", flush=True)

event_loop.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("timed out\n", "")


async def test_lookups_of_the_loop_resolve_and_fail() -> None:
    """As those of asyncio: with the addresses, or with the error of the system."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", 443, type=socket.SOCK_STREAM)
        assert [address for *_, address in found] == [("127.0.0.1", 443)]
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("rooms.example", 443, flags=socket.AI_NUMERICHOST)

    await asyncio.to_thread(loops.run, main())


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
        done = await run("serve", *REFUSING, "--server", "grpc", "--listen", address, env=env)
    assert done.code == 3
    assert ("Address already in use" in done.err) is logged
