"""`docs/how-to/why-cant-they-join.md`: its commands, and its table against the gateway's."""

from __future__ import annotations

import re

import pytest
from acs.rooms.v1.join_pb2 import JoinObstacleKind
from support.commands import run, started
from support.paths import ROOT
from support.texts import examples, stable
from support.tools import GRPCURL

from rooms_gateway.services.join_explanation import OBSTACLES

PAGE = (ROOT / "docs/how-to/why-cant-they-join.md").read_text(encoding="utf-8")
GATEWAY = "127.0.0.1:50051"
ROOM_ID = re.compile(r"\b994\d{12,14}\b")


@pytest.mark.needs("grpcurl")
async def test_commands_print_what_the_page_shows() -> None:
    """The room id in the second command is the one that the first has printed."""
    [shown_id] = set(ROOM_ID.findall(PAGE))
    room_id = ""
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        address = await gateway.address()
        for command, expected in examples(PAGE):
            typed = command.replace(GATEWAY, address).replace(shown_id, room_id)
            done = await run("-c", typed.replace("grpcurl", str(GRPCURL), 1), program="bash")
            assert stable(done.out) == stable(expected), done.err
            [room_id] = set(ROOM_ID.findall(done.out))


def test_every_obstacle_is_on_the_page() -> None:
    """With its codes and its remedy, in the same order."""
    rows = re.findall(r"^\| (.*?) \| `(JOIN_\w+)` \| .*? \| (.*) \|$", PAGE, re.MULTILINE)
    assert [JoinObstacleKind.Value(kind) for _, kind, _ in rows] == list(OBSTACLES)
    for (codes, _, remedy), obstacle in zip(rows, OBSTACLES.values(), strict=True):
        # The page has a dash where no number is published.
        assert [int(number) for number in re.findall(r"\d+", codes)] == [
            number for number in (obstacle.calling_code, obstacle.calling_subcode) if number
        ]
        assert f"`{obstacle.remedy.rpartition('.')[2]}`" in remedy
