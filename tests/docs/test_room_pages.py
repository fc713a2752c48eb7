"""The pages on lists of rooms and their export: the commands print what the pages show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import COMMAND, free_addresses, run, started
from support.paths import ROOT
from support.texts import blocks, stable
from support.tools import GRPCURL

from rooms_gateway.cli.client.transfer import export, imports

OLD, NEW = "127.0.0.1:50051", "127.0.0.1:50052"


def page(name: str) -> str:
    return (ROOT / "docs/how-to" / name).read_text(encoding="utf-8")


@pytest.mark.needs("grpcurl")
async def test_lists_print_what_the_page_shows() -> None:
    text = page("find-rooms.md")
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        commands = "".join(blocks(text, "sh")).replace(OLD, await gateway.address())
        done = await run("-ec", commands.replace("grpcurl", str(GRPCURL)), program="sh")
    assert stable(done.out) == stable("".join(blocks(text, "text"))), done.err


@pytest.mark.timeout(120)
async def test_rooms_move_as_the_page_shows(tmp_path: Path) -> None:
    text = page("move-rooms.md")
    commands = "".join(blocks(text, "sh"))
    for written, real in zip((OLD, NEW), free_addresses(2), strict=True):
        commands = commands.replace(written, real)
    path = os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]])
    script = f"cd '{tmp_path}'\ntrap 'kill $(jobs -p); wait' EXIT\n{commands}"
    done = await run("-ec", script, program="bash", env={"PATH": path})
    assert stable(done.out) == stable("".join(blocks(text, "text"))), done.err
    assert done.code == 0
    assert set(map(stable, done.err.splitlines())) == {
        "ROOM: skipped: its window has ended at TIME",
        "Would import 2 rooms, 1 skipped.",
    }


def test_the_page_names_the_formats() -> None:
    text = page("move-rooms.md")
    assert f'"format": "{export.FORMAT}"' in text
    assert f'"format": "{imports.FORMAT}"' in text
