"""The commands of `docs/how-to/debug-with-grpcurl.md` print what the page shows."""

from __future__ import annotations

import pytest
from support.commands import run, started
from support.paths import ROOT
from support.texts import examples, stable
from support.tools import GRPCURL

PAGE = (ROOT / "docs/how-to/debug-with-grpcurl.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows() -> None:
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        address = await gateway.address()
        for command, expected in examples(PAGE):
            typed = command.replace(GATEWAY, address).replace("protos", str(ROOT / "protos"))
            typed = typed.replace("grpcurl", str(GRPCURL), 1)
            done = await run("-c", typed, program="bash")
            printed = stable((done.out + done.err).replace(address, GATEWAY))
            # The page may omit the details of an error.
            assert printed.startswith(stable(expected)), command
