"""Microsoft's unmodified client of the preview, azure-communication-rooms 1.0.0b2."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from support.paths import ROOT
from support.signed_requests import Client, client_session

from rooms_emulator import DEVELOPMENT_KEY, Emulator

WALK = ROOT / "tests" / "clients" / "python-legacy" / "walk.py"
SDK_PYTHON = ROOT / ".tools/preview-sdk/bin/python"


@pytest.mark.parametrize(("legacy", "status"), [(True, 201), (False, 401)])
async def test_signature_without_the_first_slash(
    legacy: bool,
    status: int,
) -> None:
    """Accepted with `legacy` only."""
    async with Emulator(legacy=legacy) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        target = "/rooms?api-version=2025-03-13"
        headers = client.signer.headers("POST", target.removeprefix("/"), b"{}")
        headers["Content-Type"] = "application/json"
        assert (await client.send("POST", target, b"{}", headers)).status == status


async def walk(emulator: Emulator) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        SDK_PYTHON,
        WALK,
        emulator.endpoint,
        DEVELOPMENT_KEY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    steps = map(json.loads, out.decode().splitlines())
    return {step["step"]: step["result"] for step in steps}


@pytest.mark.needs("preview-sdk/installed")
@pytest.mark.skipif(
    sys.version_info >= (3, 13),
    reason="azure-communication-rooms 1.0.0b2 cannot be imported by Python 3.13",
)
async def test_preview_client_walk() -> None:
    async with Emulator(legacy=True) as emulator:
        seen = await walk(emulator)
    ada, bob = (user_id for user_id, _ in seen["created"]["roster"])
    assert seen["created"]["roster"] == [[ada, "Presenter"], [bob, "Attendee"]]
    assert seen["created"]["policy"] == "CommunicationServiceUsers"
    assert seen["read"] == seen["created"]
    assert seen["updated"]["roster"] == [[bob, "Consumer"]]
    assert (seen["updated"]["policy"], seen["updated"]["created"]) == (
        "InviteOnly",
        seen["created"]["created"],
    )
    assert seen["updated"]["from"] > seen["created"]["from"]
    assert seen["added"] == [[bob, "Consumer"], [ada, "Presenter"]]
    assert seen["changed"] == [[bob, "Consumer"], [ada, "Attendee"]]
    assert seen["removed"] == [[ada, "Attendee"]]
    rejected = {"status": 400, "kind": "HttpResponseError"}
    assert seen["added again"] == seen["changed a stranger"] == rejected
    assert seen["policy after the start"] == rejected
    assert seen["read after delete"] == {"status": 404, "kind": "ResourceNotFoundError"}
