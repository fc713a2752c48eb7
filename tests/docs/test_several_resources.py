"""The commands of `docs/how-to/several-resources.md` print what the page shows."""

from __future__ import annotations

import os
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.commands import COMMAND, PATIENCE, free_addresses, run, started
from support.gateways import until
from support.paths import ROOT
from support.texts import blocks, examples, stable
from support.tools import GRPCURL

PAGE = ROOT / "docs/how-to/several-resources.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATH = os.pathsep.join([str(Path(COMMAND).parent), str(GRPCURL.parent), os.environ["PATH"]])
PORTS = ("8125", "8126", "50051")


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [each.rpartition(":")[2] for each in free_addresses(len(PORTS))]
    real = dict(zip(PORTS, free, strict=True))

    def with_ports(text: str, *, shown: bool = False) -> str:
        for name, port in real.items():
            text = (
                text.replace(f":{port}", f":{name}")
                if shown
                else text.replace(f":{name}", f":{port}")
            )
        return text

    # Files are relative to the working directory.
    monkeypatch.chdir(tmp_path)
    for name, content in zip(("gateway", "policy"), blocks(TEXT, "toml"), strict=True):
        (tmp_path / f"{name}.toml").write_text(with_ports(content))
    address = f"127.0.0.1:{real['50051']}"
    env = {
        "PATH": PATH,
        "ROOMS_GATEWAY_LISTEN": address,
        "ROOMS_GATEWAY_ADDRESS": address,
    }
    async with AsyncExitStack() as parts:
        for command, expected in examples(TEXT):
            typed = with_ports(command)
            if typed.endswith(" &"):
                # A line on standard output: it is ready.
                words = re.sub(r" 2?> \S+", "", typed.removesuffix(" &"))
                # A shell, because a fork has not this working directory.
                shell = started("-c", f"exec {words}", env=env, program="sh")
                running = await parts.enter_async_context(shell)
                await until(lambda: "\n" in running.out or running.ended, PATIENCE)  # noqa: B023 - awaited here
                assert not running.ended, running.err
            else:
                done = await run("-c", typed, program="bash", env=env)
                printed = with_ports(done.out + done.err, shown=True)
                assert stable(printed) == stable(expected), command


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
