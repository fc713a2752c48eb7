"""The Node client in TypeScript, as its page describes it, from an empty folder."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from support.gateways import gateway_for
from support.npm import consumer, dependencies
from support.paths import ROOT
from support.texts import examples, stable
from support.walks import FORMS, code_of, shell, walk

from rooms_emulator import Emulator

PAGE = ROOT / "docs/how-to/clients/typescript.md"
EXAMPLE = ROOT / "clients/typescript/example"
OLDEST = ROOT / ".tools/client-node/node_modules/typescript-5.7/bin/tsc"

pytestmark = [pytest.mark.needs("client-node"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the page's program is saved and compiled."""
    folder = consumer(PAGE, tmp_path_factory.mktemp("consumer"))
    (folder / "tsconfig.json").write_text(code_of(PAGE, "json"), "utf-8")
    (folder / "example.mts").write_text(code_of(PAGE, "ts"), "utf-8")
    shell("npx tsc", folder)
    return folder


def test_page_is_the_example(folder: Path) -> None:
    for name, language in (("example.mts", "ts"), ("tsconfig.json", "json")):
        assert code_of(PAGE, language) == (EXAMPLE / name).read_text("utf-8")
    assert dependencies(folder) == dependencies(EXAMPLE)


@pytest.mark.parametrize("form", FORMS)
async def test_walk(folder: Path, form: str, tmp_path: Path) -> None:
    await walk(form, tmp_path, "node", "example.mjs", cwd=folder)


async def test_commands_print_what_the_page_shows(folder: Path, emulator: Emulator) -> None:
    async with gateway_for(emulator) as running:
        for command, output in examples(PAGE.read_text("utf-8")):
            script = command.replace("127.0.0.1:50051", running.gateway.addresses[0])
            assert stable(await asyncio.to_thread(shell, script, folder)) == stable(output)


def test_oldest_compiler_accepts_the_program(folder: Path) -> None:
    """TypeScript 5.7 accepts it, with the checks that the strict mode does not include."""
    flags = "--noUncheckedIndexedAccess --exactOptionalPropertyTypes --noEmit"
    shell(f"node {OLDEST} -p . {flags}", folder)


def test_compiler_rejects_wrong_types(folder: Path) -> None:
    wrong = """import { createClient, RoomsService } from "rooms-gateway-client";
        declare const rooms: ReturnType<typeof createClient<typeof RoomsService>>;
        await rooms.getRoom({ room: "1" });
        await rooms.updateRoom({ roomId: "1", pstnDialOutEnabled: "no" });
        for await (const page of rooms.listRooms({})) page.room;
        const id: string = (await rooms.getRoom({})).room.id;
    """
    (folder / "wrong.mts").write_text(wrong, "utf-8")
    output = shell("npx tsc --noEmit || true", folder)
    (folder / "wrong.mts").unlink()
    assert re.findall(r"wrong\.mts\((\d+),", output) == ["3", "4", "5", "6"]
