"""The pages on users, rosters and access tokens: their commands print what the pages show."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.commands import COMMAND, run, started
from support.paths import ROOT
from support.texts import blocks, stable
from support.tools import GRPCURL

PAGES = {
    "hand-out-credentials.md": (),
    "keep-a-roster-in-step.md": (),
    "users-and-your-own-ids.md": ("--identity-api-version", "2025-03-02-preview"),
}
"""With the flags of the gateway that each page starts."""

GATEWAY = "127.0.0.1:50051"


def text_of(page: str) -> str:
    return (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")


@pytest.mark.needs("grpcurl")
@pytest.mark.parametrize("page", PAGES)
async def test_commands_print_what_the_page_shows(page: str) -> None:
    """The blocks run one after the other in one shell."""
    text = text_of(page)
    assert f"`{' '.join(('rooms-gateway serve --emulator', *PAGES[page]))}`" in text
    flags = ("--emulator", *PAGES[page], "--listen", "127.0.0.1:0")
    async with started("serve", *flags) as gateway:
        address = await gateway.address()
        commands = "".join(blocks(text, "sh")).replace(GATEWAY, address)
        programs = os.pathsep.join(
            [str(GRPCURL.parent), str(Path(COMMAND).parent), os.environ["PATH"]]
        )
        env = {"PATH": programs, "ROOMS_GATEWAY_ADDRESS": address}
        done = await run("-ec", commands, env=env, program="sh")
    assert stable(done.out) == stable("".join(blocks(text, "text"))), done.err


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_have_a_target(page: str) -> None:
    """Pages exist, and have the headings of the links."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([\w.-]+))?\)", text_of(page)):
        path = ROOT / "docs/how-to" / (target or page)
        linked = path.read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", linked, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
        assert not anchor or anchor in anchors or f'<a id="{anchor}"' in linked, anchor
