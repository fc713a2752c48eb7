"""The commands of `docs/how-to/debug-with-grpcurl.md` print what the page shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import COMMAND, run, started
from support.paths import ROOT
from support.texts import examples, stable
from support.tools import GRPCURL

PAGE = (ROOT / "docs/how-to/debug-with-grpcurl.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"
PATH = os.pathsep.join([str(GRPCURL.parent), str(Path(COMMAND).parent), os.environ["PATH"]])


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows() -> None:
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        address = await gateway.address()
        for command, expected in examples(PAGE):
            typed = command.replace(GATEWAY, address).replace("protos", str(ROOT / "protos"))
            done = await run("-c", typed, program="bash", env={"PATH": PATH})
            printed = stable((done.out + done.err).replace(address, GATEWAY))
            # The page may omit the details of an error.
            assert printed.startswith(stable(expected)), command
