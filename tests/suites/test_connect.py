"""Connect's suite passes on the server in the event loop; grpcio's is counted for comparison."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from suites.programs import CONNECT, ENVIRONMENT, server_command
from suites.servers import SERVERS
from support.commands import run

CONFIG = Path(__file__).with_name("connect.yaml")

UNANSWERED = {
    "grpc": ("**/incomplete-message", "**/incomplete-message-prefix", "**/no-request"),
    "loop": (),
}
"""Cases to which a server does not respond: the suite waits 20 s for each, and then ends."""


@pytest.mark.needs("suites/connectrpc/runner")
@pytest.mark.parametrize("server", SERVERS)
async def test_connect_conformance_passes(
    server: str, record_property: Callable[[str, str], None]
) -> None:
    """All cases for gRPC over HTTP/2 pass: plaintext, TLS, client certificates, gzip."""
    skipped = [word for case in UNANSWERED[server] for word in ("--skip", case)]
    flags = ["--mode", "server", "--conf", str(CONFIG), *skipped]
    done = await run(
        *(*flags, "--", *server_command("connect", server)),
        env=ENVIRONMENT,
        program=str(CONNECT),
    )
    counts = re.search(r"^(\d+) passed, (\d+) failed$", done.out + done.err, re.MULTILINE)
    assert counts is not None, done.err
    passed, failed = map(int, counts.groups())
    more = ", without those that it does not answer" if skipped else ""
    record_property(f"connect, {server}", f"{passed} of {passed + failed} pass{more}")
    assert server == "grpc" or done.code == 0, done.out + done.err
