"""Processes of `rooms-gateway` that are forks of one that has imported its modules.

Importing them costs most of the CPU time of a short command. A fork has its own environment,
arguments and output, and ends as every interpreter does.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache

_MODULES = (
    *("serve.command", "serve.run", "serve.show", "emulator", "health", "wait", "shutdown"),
    *("client.commands", "client.stub", "client.failures", "client.output"),
)
_MAX_MESSAGE = 1 << 17
_READ_AT_IMPORT = ("COVERAGE_", "GRPC_", "PYTHON", "SSL_")
"""Prefixes of variables that have no effect in a fork."""


def can_fork(env: Mapping[str, str]) -> bool:
    """Return whether a fork behaves as a new interpreter does. Coverage measures no forks."""
    measured = "COVERAGE_PROCESS_CONFIG" in os.environ
    return not measured and not any(name.startswith(_READ_AT_IMPORT) for name in env)


class Fork:
    """The part of `asyncio.subprocess.Process` that tests need."""

    def __init__(
        self, pid: int, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._exit: asyncio.Task[int] | None = None

    def follow(self, status: socket.socket) -> None:
        """Read the exit code from `status` once the process has ended."""
        self._exit = asyncio.ensure_future(self._read(status))

    async def _read(self, status: socket.socket) -> int:
        with status:
            self.returncode = int(await asyncio.get_running_loop().sock_recv(status, 100))
        return self.returncode

    async def wait(self) -> int:
        """Wait for the end of the process; return its exit code."""
        assert self._exit is not None
        return await asyncio.shield(self._exit)

    def send_signal(self, number: int) -> None:
        """Send a signal; raises ProcessLookupError if the process has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def fork(arguments: Sequence[str], env: Mapping[str, str]) -> Fork:
    """Run `rooms-gateway` with these arguments, the first of which is its path."""
    status, status_of_fork = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    status.setblocking(False)
    out, out_of_fork = os.pipe()
    err, err_of_fork = os.pipe()
    descriptors = [out_of_fork, err_of_fork, status_of_fork.detach()]
    message = json.dumps([list(arguments), dict(env)]).encode()
    socket.send_fds(_template(), [message], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    pid = int(await asyncio.get_running_loop().sock_recv(status, 100))
    process = Fork(pid, await _reader(out), await _reader(err))
    process.follow(status)
    return process


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader


@cache
def _template() -> socket.socket:
    """Start the process that forks; it ends when the returned socket is closed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-P", __file__, str(its.fileno())]
        template = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()])

    @atexit.register
    def end() -> None:
        ours.close()
        template.wait()

    return ours


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request. Returns the arguments, in the fork only."""
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, _MAX_MESSAGE, 3)
        if not message:
            sys.exit()
        parent = os.fork()
        if not parent:
            requests.close()
            return _supervise(message, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        # Reap parents of earlier forks.
        while any(os.waitpid(-1, os.WNOHANG)):
            pass


def _supervise(message: bytes, descriptors: Sequence[int]) -> list[str]:
    """Fork, and send process id and exit code of the fork, in which alone this returns."""
    out, err, status = descriptors
    pid = os.fork()
    if pid:
        with socket.socket(fileno=status) as connection:
            connection.send(str(pid).encode())
            os.close(out)
            os.close(err)
            _, ended = os.waitpid(pid, 0)
            connection.send(str(os.waitstatus_to_exitcode(ended)).encode())
        os._exit(0)
    os.close(status)
    for descriptor, standard in ((out, 1), (err, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    arguments, environment = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    return list(arguments)


if __name__ == "__main__":
    from rooms_gateway.__main__ import main

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # as `main` does before it imports grpc
    for module in _MODULES:
        importlib.import_module(f"rooms_gateway.cli.{module}")
    gc.freeze()
    sys.argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())
