"""The commands of `docs/how-to/test-your-failures.md`; test_pytest_plugin runs its Python."""

from __future__ import annotations

import sys
from pathlib import Path

from support.commands import run, started
from support.paths import ROOT
from support.texts import examples, stable

PAGE = (ROOT / "docs/how-to/test-your-failures.md").read_text(encoding="utf-8")
EMULATOR, GATEWAY = "127.0.0.1:8125", "127.0.0.1:50051"


async def test_commands_print_what_the_page_shows() -> None:
    emulate, serve, *calls = examples(PAGE)
    free = emulate[0].replace(EMULATOR, "127.0.0.1:0")
    async with started("-c", f"exec {on_path(free)}", program="bash") as emulator:
        upstream = await emulator.line("endpoint=http://(.*)/;accesskey=.*")
        printed = emulator.out.replace(upstream, EMULATOR)
        assert stable(printed) == stable(emulate[1])
        command = on_path(serve[0].replace(EMULATOR, upstream))
        listen = {"ROOMS_GATEWAY_LISTEN": "127.0.0.1:0"}
        async with started("-c", f"exec {command}", program="bash", env=listen) as gateway:
            address = await gateway.address()
            assert gateway.out.replace(address, GATEWAY) == serve[1].rstrip() + "\n"
            for call, expected in calls:
                typed = on_path(call.replace(EMULATOR, upstream))
                done = await run(
                    "-c", typed, program="bash", env={"ROOMS_GATEWAY_ADDRESS": address}
                )
                assert stable(done.out + done.err) == stable(expected), call


def on_path(command: str) -> str:
    """Return a command with the `rooms-gateway` of this environment."""
    return command.replace("rooms-gateway", str(Path(sys.executable).with_name("rooms-gateway")), 1)
