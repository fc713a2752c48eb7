"""The example program of a language, run against a gateway.

Every example takes a target and, for TLS, a file with the CA, and prints the same lines.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from support.authority import Authority, Files
from support.gateways import gateway_for

FORMS = ("tcp", "tls", "unix")
"""Transports to walk over."""

ROOMS = 69
"""Rooms in the emulator before the walk: three pages."""

_LINES = re.compile(
    rf"""created [0-9]+
listed {ROOMS + 1} rooms
not found: ERROR_REASON_ROOM_NOT_FOUND
deadline exceeded
deleted
"""
)


async def walk(
    form: str,
    folder: Path,
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with a gateway as its target and check its output and effects.

    UpdateRoom is slower than the example's deadline, and the first response to DeleteRoom is 503.
    """
    authority = Authority()
    files = Files(folder)
    settings = files.write(authority.issue()).settings() if form == "tls" else {}
    listen = f"unix:{folder}/gateway.sock" if form == "unix" else "127.0.0.1:0"
    (folder / "ca.pem").write_bytes(authority.pem)
    async with Emulator() as emulator:
        emulator.store.seed(ROOMS)
        emulator.faults.add(Fault(operation="UpdateRoom", latency=30))
        emulator.faults.add(Fault(operation="DeleteRoom", status=503))
        # One attempt, so that the retry is the client's.
        async with gateway_for(emulator, listen=(listen,), max_attempts=1, **settings) as running:
            target = running.gateway.addresses[0]
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                target,
                *([str(folder / "ca.pem")] if form == "tls" else []),
                cwd=cwd,
                env=env,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
        output = out.decode()
        assert process.returncode == 0, f"{output}{err.decode()}"
        assert _LINES.fullmatch(output), output
        created = [entry for entry in emulator.journal if entry.operation == "CreateRoom"]
        assert len(created) == 1
        assert b'"Presenter"' in created[0].body
        deletes = [entry.status for entry in emulator.journal if entry.operation == "DeleteRoom"]
        assert deletes == [503, 204]


def code_of(page: Path, language: str, blank_lines: int = 1) -> str:
    """Return the program of a page: its blocks in `language`, with blank lines in between."""
    text = page.read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return ("\n" * blank_lines).join(blocks)


def shell(script: str, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a shell script in a folder; return its output."""
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
