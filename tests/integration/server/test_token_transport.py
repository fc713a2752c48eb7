"""RPCs that return access tokens, over plaintext and TLS from an address of a network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.authority import OURS, Files, channel
from support.gateways import collect, failure_of, settings, upstream_of

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway
from rooms_gateway.server.assembly import LEGACY_SERVICE, SERVICES
from rooms_gateway.server.auth.token_transport import returns_tokens

RPCS = [method for service in (*SERVICES, LEGACY_SERVICE) for method in service.methods]
RETURN_TOKENS = {method.full_name for method in RPCS if returns_tokens(method.output_type)}
INSECURE = (grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_TRANSPORT_INSECURE")

# Of the addresses for documentation, to which no packet is sent.
FAMILIES = [
    pytest.param(socket.AF_INET, "192.0.2.1", "0.0.0.0", id="IPv4"),
    pytest.param(socket.AF_INET6, "2001:db8::1", "[::]", id="IPv6"),
]


def own_address(family: socket.AddressFamily, remote: str) -> str:
    """Return the address of this host that others see; skip the test if it has none."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, 9))
        except OSError:
            pytest.skip("this host is not in a network")
        host = str(probe.getsockname()[0])
    return f"[{host}]" if ":" in host else host


async def rejected_as_insecure(connected: Any) -> set[str]:
    """Call every RPC with an invalid request; return the names of those that need TLS."""
    found = set()
    for method in RPCS:
        path = f"/{method.containing_service.full_name}/{method.name}"
        call = (
            collect(connected.unary_stream(path)(b"\xff"))
            if method.server_streaming
            else connected.unary_unary(path)(b"\xff")
        )
        failed = await failure_of(call)
        if (failed.code, failed.reason) == INSECURE:
            found.add(method.full_name)
    return found


def test_rpcs_that_return_tokens() -> None:
    """A new RPC is found by its response."""
    assert {
        "acs.identity.v1.IdentityService.CreateUser",
        "acs.identity.v1.IdentityService.ExchangeTeamsUserToken",
        "acs.identity.v1.IdentityService.IssueToken",
        "acs.rooms.v1.JoinService.AdmitParticipants",
        "acs.rooms.v1.JoinService.CreateRoomWithGuests",
    } == RETURN_TOKENS


@pytest.mark.proves("S82")
@pytest.mark.parametrize(("family", "remote", "listen"), FAMILIES)
async def test_tokens_need_tls_in_a_network(
    emulator: Emulator, family: socket.AddressFamily, remote: str, listen: str
) -> None:
    """In plaintext all RPCs that return tokens are rejected, and no others; on loopback none."""
    host = own_address(family, remote)
    loopback = "127.0.0.1" if family is socket.AF_INET else "[::1]"
    chosen = settings(
        upstream_of(emulator),
        listen=(f"{listen}:0",),
        allow_plaintext=True,
        enable_legacy=True,
    )
    async with Gateway(chosen) as gateway:
        port = gateway.addresses[0].rpartition(":")[2]
        async with grpc.aio.insecure_channel(f"{host}:{port}") as connected:
            assert await rejected_as_insecure(connected) == RETURN_TOKENS
        async with grpc.aio.insecure_channel(f"{loopback}:{port}") as connected:
            assert await rejected_as_insecure(connected) == set()
    assert len(emulator.journal) == 0


@pytest.mark.proves("S82")
async def test_tokens_are_returned_over_tls(emulator: Emulator, tmp_path: Path) -> None:
    """From an address of a network too."""
    host = own_address(socket.AF_INET, "192.0.2.1")
    files = Files(tmp_path).write(OURS.issue(host, "localhost"))
    chosen = settings(
        upstream_of(emulator),
        listen=("0.0.0.0:0",),
        enable_legacy=True,
        **files.settings(),
    )
    async with Gateway(chosen) as gateway:
        port = gateway.addresses[0].rpartition(":")[2]
        async with channel(f"{host}:{port}", OURS) as connected:
            assert await rejected_as_insecure(connected) == set()
