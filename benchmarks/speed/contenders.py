"""The arms: how each is started in front of an upstream, and what it can do."""

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
FLOOR = "floor"
NAIVE = "naive"
ECHO = "echo"
SDK = "sdk"
ENVOY = "envoy"
BARE = "bare"


def _everything(work: Work) -> bool:  # noqa: ARG001 - it is the answer for all
    return True


@dataclass(frozen=True, slots=True)
class Arm:
    """A server that does the work."""

    name: str
    command: Callable[[Stub, bool], Sequence[str]]
    """What starts it, of the upstream and whether to speak TLS to that."""
    path: Path = ROOT
    """The checkout whose code it runs."""
    env: Mapping[str, str] = field(default_factory=dict)
    does: Callable[[Work], bool] = _everything
    request: Callable[[Work], bytes | None] = lambda _: None
    """The request in its own contract, where that is not the gateway's."""

    in_process: bool = False
    """Whether it makes the calls itself, and is told so on its standard input."""

    @contextmanager
    def running(self, stub: Stub, *, tls: bool = False) -> Iterator[Running]:
        """Run it until the end of the block. Raises NotReadyError."""
        env = {
            "PYTHONPATH": f"{self.path / 'gateway'}:{self.path / 'generated'}:{ROOT}",
            # How one tells Python of a certificate authority that the machine does not know.
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
    """Return this gateway, from the checkout at `path`: everything on, as it ships."""

    def command(stub: Stub, tls: bool) -> Sequence[str]:
        return (
            sys.executable, "-m", program, "serve", "--listen", listen,
            "--connection-string", stub.connection_string(tls=tls), *flags,
        )  # fmt: skip

    return Arm(name, command, path, does=does)


AS_IT_SHIPS = ("--admin-listen", "127.0.0.1:0")
"""Metrics are on where there is somewhere to read them; the rest is on anyway."""


def bare(path: Path = ROOT) -> Arm:
    """Return this gateway without metrics, log lines and validation, for what these cost."""
    return gateway(
        BARE, path, "--log-level", "warning", program="benchmarks.speed.arms.unvalidated",
        does=lambda work: work in (get_room(16), get_room(64)),
    )  # fmt: skip


floor = Arm(FLOOR, _module("benchmarks.speed.arms.floor"))
echo = Arm(
    ECHO,
    _module("benchmarks.speed.arms.echo"),
    # As the gateway sets it: a bound has to be the least that there is.
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
    """Return Envoy, whose program is `program`, with its files in `folder`."""
    maker = Envoy(program, folder)
    return Arm(ENVOY, maker.command, does=maker.does, request=maker.request)
