"""Microsoft's unmodified clients over https, by way of the printed commands that trust the CA."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.commands import started
from support.paths import ROOT
from support.signed_requests import Client

CLIENTS = ROOT / "tests/clients"
TOKEN = "a token of Microsoft Entra ID"
SEEDED = 61

LANGUAGES = {
    "Python, sync": (sys.executable, CLIENTS / "python-sdk/https_sync.py"),
    "Python, aio": (sys.executable, CLIENTS / "python-sdk/https_aio.py"),
    "Node": ("node", CLIENTS / "node/https.mjs"),
    "Java": ("java", "-cp", f"{ROOT}/.tools/java-sdk/*", CLIENTS / "java-sdk/Walk.java"),
}
MARKS = {"Node": "node-clients", "Java": "java-sdk/installed"}


@dataclass(frozen=True, slots=True)
class Ready:
    """A running emulator with --tls-dev, and its rooms."""

    start: dict[str, Any]
    """The object that --json prints."""
    rooms: list[str]
    client: Client

    async def run(self, trust: str, *command: str | Path) -> tuple[int | None, str, str]:
        """Run a command in a shell after one that trusts the CA."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'{trust}\nexec "$@"', "sh", *command),
            cwd=CLIENTS,
            # Warnings of the clients are about datetime.utcnow.
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def ready(tmp_path: Path) -> AsyncIterator[Ready]:
    flags = ("--listen", "127.0.0.1:0", "--json", "--tls-dev")
    data = {"XDG_DATA_HOME": str(tmp_path / "it is here")}
    async with started("emulator", *flags, env=data) as process:
        start = json.loads(await process.line(r"(\{.*\})"))
        context = ssl.create_default_context(cafile=start["ca"])
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            client = Client(session, start["endpoint"])
            seeded = await client.control("POST", "rooms", {"count": SEEDED})
            await client.control("POST", "tokens", {"tokens": [TOKEN]})
            yield Ready(start, seeded.json["roomIds"], client)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(language, marks=pytest.mark.needs(MARKS[language]))
        if language in MARKS
        else language
        for language in LANGUAGES
    ],
)
async def test_clients_work_with_key_and_token(language: str, ready: Ready) -> None:
    """They create rooms and users, and follow the links of lists with three pages."""
    trust = ready.start["trust"][language.partition(",")[0]]
    string = ready.start["connectionString"]
    code, out, err = await ready.run(trust, *LANGUAGES[language], string, TOKEN)
    assert code == 0, err
    walked = json.loads(out.splitlines()[-1])
    rooms = [walked["created"], *ready.rooms[::-1]]
    assert (walked["rooms"], walked["roomsWithToken"]) == (rooms, rooms)
    assert [user.startswith("8:acs:") for user in walked["users"]] == [True, True]
    journal = (await ready.client.control("GET", "journal")).json["requests"]
    assert {entry["status"] for entry in journal} == {200, 201}
    assert len([entry for entry in journal if entry["operation"] == "ListRooms"]) == 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_trusts_the_ca(ready: Ready) -> None:
    url = f"{ready.start['endpoint']}/_emulator/clock"
    code, out, _ = await ready.run(ready.start["trust"]["curl"], "curl", "-sS", url)
    assert (code, "frozen" in out) == (0, True)
    code, _, err = await ready.run(":", "curl", "-sS", url)
    assert (code, "certificate" in err) == (60, True)
