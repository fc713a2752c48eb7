"""The programs of the suites, and those that they judge."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.authority import OURS, Files
from support.commands import started
from support.paths import ROOT

H2SPEC = ROOT / ".tools/h2spec"
INTEROP = ROOT / ".tools/suites/interop/client"
CONNECT = ROOT / ".tools/suites/connectrpc/runner"

ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "tests", ROOT / ".tools/suites")))}
"""Of a program that serves: it imports modules that are generated with the suites."""


def server_command(service: str, server: str) -> tuple[str, ...]:
    """Return the command that serves `service` by one of `suites.servers.SERVERS`."""
    return (sys.executable, "-m", f"suites.{service}_server", server)


@asynccontextmanager
async def interop_service(server: str, tls: Path | None) -> AsyncIterator[int]:
    """Serve gRPC's interop service, with new TLS files in the folder `tls`; yield the port."""
    program, *arguments = server_command("interop", server)
    if tls:
        Files(tls).write(OURS.issue(), OURS)
        arguments.append(str(tls))
    async with started(*arguments, env=ENVIRONMENT, program=program) as process:
        yield int(await process.line(r"port (\d+)"))
