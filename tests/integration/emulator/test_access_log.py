"""The access log of an emulator in the process of the test."""

from __future__ import annotations

from contextlib import suppress

import aiohttp
import pytest
from support.signed_requests import Client, client_session

from rooms_emulator import Emulator, Fault
from rooms_emulator.output.access_log import Access

FAULTS: dict[str, tuple[Fault, int | None]] = {
    "dropped before": (Fault(drop="before"), None),
    "dropped after": (Fault(drop="after", reset=True), None),
    "truncated": (Fault(truncate=5), 201),
    "another status": (Fault(status=418, label="teapot"), 418),
    "refused": (Fault(refuse=0.01), None),
}


async def access_of(fault: Fault) -> Access:
    """Create a room in an emulator with a fault, and return its only line."""
    found: list[Access] = []
    async with Emulator(access_log=found.append) as emulator, client_session() as session:
        emulator.faults.add(fault)
        with suppress(aiohttp.ClientError):
            await Client(session, emulator.endpoint).call("POST", "/rooms", {})
    [access] = found
    return access


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_line_has_the_true_status(kind: str) -> None:
    """It is None if the client got no response, whatever the emulator did before."""
    fault, status = FAULTS[kind]
    access = await access_of(fault)
    assert (access.status, access.operation) == (status, "CreateRoom")
    assert access.fault == (fault.label or "#1")


async def test_a_latency_is_in_the_line() -> None:
    access = await access_of(Fault(latency=0.2))
    assert access.milliseconds >= 200


async def test_a_control_address_has_lines_too() -> None:
    found: list[Access] = []
    control = Emulator(access_log=found.append, control_listen="127.0.0.1:0")
    async with control as emulator, client_session() as session:
        await Client(session, emulator.control_endpoint).control("POST", "reset")
    assert [(each.method, each.target, each.status) for each in found] == [
        ("POST", "/_emulator/reset", 204)
    ]
