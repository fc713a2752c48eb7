"""grpc-go's interoperability client passes its cases on both servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from suites.programs import INTEROP, interop_service
from suites.servers import SERVERS
from support.authority import Files
from support.commands import run

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
)
"""All but those that need Google's credentials, several servers, or load reports (ORCA)."""


@pytest.mark.needs("suites/interop/client")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plaintext", "TLS"])
@pytest.mark.parametrize("server", SERVERS)
async def test_interop_cases_pass(
    server: str, case: str, tmp_path: Path, *, encrypted: bool
) -> None:
    tls = ("-use_tls", "-use_test_ca", "-ca_file", Files(tmp_path).ca) if encrypted else ()
    async with interop_service(server, tmp_path if encrypted else None) as port:
        target = ("-server_host", "127.0.0.1", "-server_port", str(port))
        done = await run(*target, *tls, "-test_case", case, program=str(INTEROP))
    assert done.code == 0, done.err
