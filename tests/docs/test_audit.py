"""The page on the audit log: its commands print what it shows, and it lists all fields."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from support.commands import COMMAND, run
from support.paths import ROOT
from support.texts import blocks
from support.tools import GRPCURL

from rooms_gateway.telemetry.audit.line import AuditLine
from rooms_gateway.telemetry.audit.writer import FLUSH_TIMEOUT, MAX_QUEUED, STALLED_AFTER

PAGE = (ROOT / "docs/how-to/audit.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    """The blocks run one after the other in one shell."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    start, *commands = blocks(PAGE, "sh")
    script = f"cd {tmp_path}\ntrap 'kill $!' EXIT\n{{ {start} }} > start\n{''.join(commands)}"
    env = {
        "PATH": os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]]),
        "ROOMS_GATEWAY_LISTEN": address,
        "ROOMS_GATEWAY_ADDRESS": address,
    }
    script = script.replace(GATEWAY, address).replace("grpcurl", str(GRPCURL))
    done = await run("-ec", script, program="sh", env=env)
    shown = [block for block in blocks(PAGE, "text") if block.startswith("/acs.")]
    assert done.out == "".join(shown), done.err


def test_every_field_is_listed() -> None:
    table = PAGE.partition("\n| field |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[1:]
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert listed == list(AuditLine.__struct_fields__)


def test_page_has_the_limits_of_the_writer() -> None:
    assert f"up to {MAX_QUEUED:,} wait" in PAGE
    assert (FLUSH_TIMEOUT, STALLED_AFTER) == (3.0, 1.0)
    assert "lines have three seconds" in PAGE
    assert "longer than a second" in PAGE
