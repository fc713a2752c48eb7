"""Sockets that systemd passes (socket activation)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.authority import OURS, Files, channel
from support.commands import COMMAND, REFUSING, run, started
from support.gateways import SERVING, only_loop, status_of

pytestmark = only_loop

ACTIVATE = """
import json, os, socket, sys
options = json.loads(sys.argv[1])
passed = []
for kind, address in options["sockets"]:
    each = socket.socket(getattr(socket, kind), socket.SOCK_STREAM)
    each.bind(address if isinstance(address, str) else tuple(address))
    if options.get("listen", True):
        each.listen()
    passed.append(os.dup2(each.fileno(), 100 + len(passed)))
for number, descriptor in enumerate(passed):
    os.dup2(descriptor, 3 + number)
names = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), **options["env"]}
os.environ.update(names)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Starts a command as systemd does, with sockets after its standard error."""

LOOPBACK = ("AF_INET", ["127.0.0.1", 0])
EVERYWHERE = ("AF_INET", ["0.0.0.0", 0])


def activated(*flags: str | Path, names: str = "", **options: Any) -> tuple[str | Path, ...]:
    """Return the command of a gateway with `sockets` that have `names`."""
    chosen = {"env": {"LISTEN_FDNAMES": names}, **options}
    return ("-c", ACTIVATE, json.dumps(chosen), COMMAND, "serve", *REFUSING, *flags)


async def test_sockets_of_a_name_are_served(tmp_path: Path) -> None:
    """All of them, and their files stay: systemd keeps listening."""
    sockets = [LOOPBACK, ("AF_UNIX", f"{tmp_path}/a"), ("AF_UNIX", f"{tmp_path}/other")]
    command = activated("--listen", "systemd:grpc", names="grpc:grpc:other", sockets=sockets)
    async with started(*command, program=sys.executable) as process:
        first, second = await process.address(), f"unix:{tmp_path}/a"
        for address in (first, second):
            async with grpc.aio.insecure_channel(address) as opened:
                assert await status_of(opened) == SERVING
        assert second in process.out
    assert (tmp_path / "a").exists()


async def test_passed_ports_have_tls(tmp_path: Path) -> None:
    files = Files(tmp_path).write(OURS.issue(), OURS)
    flags = ("--listen", "systemd:grpc", *files.flags())
    command = activated(*flags, names="grpc", sockets=[EVERYWHERE])
    async with started(*command, program=sys.executable) as process:
        port = (await process.address()).rpartition(":")[2]
        async with channel(f"localhost:{port}", OURS) as opened:
            assert await status_of(opened) == SERVING


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"sockets": [EVERYWHERE], "names": "grpc"},
            "is reachable from other hosts, in plaintext",
        ),
        ({"sockets": [LOOPBACK], "names": "web"}, "no socket of this name, only web"),
        ({"sockets": [], "names": ""}, "no socket of this name, only none"),
        (
            {"sockets": [LOOPBACK], "env": {"LISTEN_PID": "1", "LISTEN_FDNAMES": "grpc"}},
            "systemd has passed no socket to this process",
        ),
        (
            {"sockets": [LOOPBACK], "names": "grpc", "listen": False},
            "needs ListenStream= and Accept=no",
        ),
    ],
    ids=["plaintext", "another name", "none", "another process", "not listening"],
)
async def test_unusable_sockets_are_exit_code_3(options: Mapping[str, Any], text: str) -> None:
    done = await run(*activated("--listen", "systemd:grpc", **options), program=sys.executable)
    assert done.code == 3
    assert text in done.err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--listen", "systemd:"], "has no name: write systemd:NAME"),
        (["--listen", "systemd:a", "--server", "grpc"], "--server grpc cannot serve sockets"),
        (["--admin-listen", "systemd:a"], "'systemd:a' is not host:port"),
        (["--listen", "systemd:a", "--listen", "systemd:a"], "is given twice"),
    ],
)
async def test_invalid_names_are_exit_code_2(flags: list[str], text: str) -> None:
    done = await run("serve", *REFUSING, *flags)
    assert done.code == 2
    assert text in done.err
