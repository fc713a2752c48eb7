"""docs/how-to/schedule-a-terms-rooms.md: its commands print what it shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.commands import COMMAND, run, started
from support.paths import ROOT
from support.texts import blocks
from support.tools import GRPCURL

from rooms_gateway.cli.client.bulk.items import CREATES

PAGE = ROOT / "docs/how-to/schedule-a-terms-rooms.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows() -> None:
    """The blocks run one after the other in one shell, and the job is killed at any moment."""
    folders = (str(Path(COMMAND).parent), str(GRPCURL.parent), os.environ["PATH"])
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        address = await gateway.address()
        commands = "".join(blocks(TEXT, "sh")).replace("127.0.0.1:50051", address)
        done = await run("-ec", commands, program="bash", env={"PATH": os.pathsep.join(folders)})
    assert done.out == "".join(blocks(TEXT, "text")), done.err


def test_the_page_names_the_format() -> None:
    assert f'"format": "{CREATES.results}"' in TEXT


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
