"""The arms: how each is started in front of an upstream, and what it can do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.speed.processes import Running, started
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import Work

ROOT = Path(__file__).parents[2]

GATEWAY = "gateway"
FLOOR = "floor"
NAIVE = "naive"
ECHO = "echo"


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

    @contextmanager
    def running(self, stub: Stub, *, tls: bool = False) -> Iterator[Running]:
        """Run it until the end of the block. Raises NotReady."""
        env = {
            "PYTHONPATH": f"{self.path}:{self.path / 'generated'}",
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
    program: Sequence[str] = ("-m", "gateway"),
) -> Arm:
    """Return this gateway, from the checkout at `path`: everything on, as it ships."""

    def command(stub: Stub, tls: bool) -> Sequence[str]:  # noqa: FBT001 - as Arm has it
        return (
            sys.executable, *program, "serve", "--listen", "127.0.0.1:0",
            "--connection-string", stub.connection_string(tls=tls), *flags,
        )  # fmt: skip

    return Arm(name, command, path)


AS_IT_SHIPS = ("--admin-listen", "127.0.0.1:0")
"""Metrics are on where there is somewhere to read them; the rest is on anyway."""

floor = Arm(FLOOR, _module("benchmarks.speed.arms.floor"))
echo = Arm(ECHO, _module("benchmarks.speed.arms.echo"), does=lambda work: not work.streams)
