"""The arms: how each is started, and which work it supports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.speed.envoy import Envoy
from benchmarks.speed.processes import Running, started
from benchmarks.speed.upstream import ACCESS_KEY, Stub
from benchmarks.speed.works import Work, get_room
from rooms_gateway.cli.serve.command import GRPC_EXPERIMENTS

ROOT = Path(__file__).parents[2]

GATEWAY = "gateway"
GRPC = "gateway-grpc"
"""The gateway with the server of grpc."""
FLOOR = "floor"
NAIVE = "naive"
ECHO = "echo"
SDK = "sdk"
ENVOY = "envoy"
BARE = "bare"


def _everything(work: Work) -> bool:  # noqa: ARG001 - true for any work
    return True


@dataclass(frozen=True, slots=True)
class Arm:
    """A measured server."""

    name: str
    command: Callable[[Stub, bool], Sequence[str]]
    """Command for an upstream; the second argument is whether to connect over TLS."""
    path: Path = ROOT
    """Checkout whose code it runs."""
    env: Mapping[str, str] = field(default_factory=dict)
    does: Callable[[Work], bool] = _everything
    request: Callable[[Work], bytes | None] = lambda _: None
    """Serialized request in its contract; None: as in the contract of the gateway."""

    in_process: bool = False
    """Whether it makes the calls itself, as jobs on its standard input."""

    @contextmanager
    def running(self, stub: Stub, *, tls: bool = False) -> Iterator[Running]:
        """Run the server until the end of the block. Raises NotReadyError if it does not start."""
        env = {
            "PYTHONPATH": f"{self.path / 'gateway'}:{self.path / 'generated/python'}:{ROOT}",
            # Adds the CA of the stub to the trusted CAs.
            "SSL_CERT_FILE": stub.authority,
            **self.env,
        }
        with started(self.command(stub, tls), env, self.path) as running:
            yield running


def _module(name: str) -> Callable[[Stub, bool], Sequence[str]]:
    return lambda stub, tls: (sys.executable, "-m", name, stub.origin(tls=tls))


def gateway(
    name: str = GATEWAY,
    path: Path = ROOT,
    *flags: str,
    listen: str = "127.0.0.1:0",
    program: str = "rooms_gateway",
    does: Callable[[Work], bool] = _everything,
) -> Arm:
    """Return the gateway of the checkout at `path`, with its defaults."""

    def command(stub: Stub, tls: bool) -> Sequence[str]:
        return (
            sys.executable, "-m", program, "serve", "--listen", listen,
            "--connection-string", stub.connection_string(tls=tls), *flags,
        )  # fmt: skip

    return Arm(name, command, path, does=does)


AS_IT_SHIPS = ("--admin-listen", "127.0.0.1:0")
"""Flags of a typical deployment: with an admin listener, metrics are on."""

WITH_GRPC = ("--server", "grpc")


def bare(path: Path = ROOT) -> Arm:
    """Return the gateway without metrics, log lines and validation, to measure their cost."""
    return gateway(
        BARE, path, "--log-level", "warning", program="benchmarks.speed.arms.unvalidated",
        does=lambda work: work in (get_room(16), get_room(64)),
    )  # fmt: skip


floor = Arm(FLOOR, _module("benchmarks.speed.arms.floor"))
echo = Arm(
    ECHO,
    _module("benchmarks.speed.arms.echo"),
    # The same experiments as in the gateway, for a fair upper bound.
    env={"GRPC_EXPERIMENTS": GRPC_EXPERIMENTS},
    does=lambda work: not (work.streams or work.tls),
)

_NAIVE = "import asyncio, sys; from benchmarks.naive import main; asyncio.run(main(*sys.argv[1:]))"

naive = Arm(
    NAIVE,
    lambda stub, tls: (
        sys.executable, "-c", _NAIVE, "127.0.0.1:0", stub.connection_string(tls=tls),
    ),
)  # fmt: skip

sdk = Arm(
    SDK,
    lambda stub, tls: (
        sys.executable, "-m", "benchmarks.speed.arms.sdk", stub.origin(tls=tls), ACCESS_KEY,
    ),
    in_process=True,
)  # fmt: skip


def envoy(program: Path, folder: Path) -> Arm:
    """Return Envoy at `program`, with its files in `folder`."""
    maker = Envoy(program, folder)
    return Arm(ENVOY, maker.command, does=maker.does, request=maker.request)
