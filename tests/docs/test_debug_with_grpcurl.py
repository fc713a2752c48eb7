"""The page is typed along: each of its commands prints what it says."""

from __future__ import annotations

import pytest
from support.commands import run, started
from support.paths import ROOT
from support.texts import examples, stable
from support.tools import GRPCURL

PAGE = (ROOT / "docs/how-to/debug-with-grpcurl.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"


@pytest.mark.needs("grpcurl")
async def test_every_command_of_the_page_prints_what_it_says() -> None:
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        address = await gateway.address()
        for command, expected in examples(PAGE):
            typed = command.replace(GATEWAY, address).replace("protos", str(ROOT / "protos"))
            typed = typed.replace("grpcurl", str(GRPCURL), 1)
            done = await run("-c", typed, program="bash")
            printed = stable((done.out + done.err).replace(address, GATEWAY))
            # A page may stop before the details of a failure.
            assert printed.startswith(stable(expected)), command
