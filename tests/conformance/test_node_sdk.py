"""Microsoft's unmodified JavaScript client, in Node and in Chromium, against the emulator."""

from __future__ import annotations

import pytest
from support.microsoft_sdks import Walk, browse, walk
from support.samples import user
from support.signed_requests import BAD_RANGE, BAD_START, HALF_RANGE, MALFORMED, PAST_END

from rooms_emulator import Emulator

pytestmark = pytest.mark.needs("node-clients")

NOT_SUPPORTED = "Communication identifier wrong_mri is not supported."
NO_SUCH_ROOM = "The server cannot find the requested resource."
ERRORS: list[tuple[str, int, str, list[str]]] = [
    ("past end", 400, MALFORMED, [*PAST_END]),
    ("long range", 400, MALFORMED, [*BAD_RANGE]),
    ("late start", 400, MALFORMED, [*BAD_START]),
    ("half range", 400, MALFORMED, [*HALF_RANGE]),
    ("bad identifier in create", 400, "Invalid format for communication identifier.", []),
    ("bad identifier in add", 400, NOT_SUPPORTED, []),
    ("bad identifier in remove", 400, NOT_SUPPORTED, []),
    ("short id", 400, "Invalid room ID length.", []),
    ("odd id", 400, "Invalid room ID length.", []),
    ("id of letters", 400, "Invalid room ID.", []),
    ("deleted room", 404, NO_SUCH_ROOM, []),
    ("second delete", 404, NO_SUCH_ROOM, []),
    ("wrong key", 401, "Denied by the resource provider.", []),
]
CODES = {400: "BadRequest", 401: "Denied", 404: "NotFound"}


def participant(number: int, role: str) -> list[str]:
    return ["communicationUser", user(number), role]


@pytest.mark.parametrize("run", [walk, pytest.param(browse, marks=pytest.mark.needs("chromium"))])
async def test_rooms_walk(emulator: Emulator, run: Walk) -> None:
    """Create, get, update, participants, lists of several pages, delete, errors."""
    store = emulator.store
    seeded = store.seed(40)
    store.seed(62, deleted=True)
    seeded += store.seed(40)
    steps = await run("rooms-sdk.mjs", emulator)

    room = steps["create"]
    assert list(room) == ["createdOn", "id", "validFrom", "validUntil", "pstnDialOutEnabled"]
    assert room["pstnDialOutEnabled"] is True
    assert steps["get"] == room
    assert steps["roster of a new room"] == [
        participant(1, "Presenter"),
        participant(2, "Attendee"),
    ]

    update = steps["update"]
    assert update["room"] == room | {"validUntil": update["asked"]}
    assert steps["update of nothing"] == update["room"]

    attendee, consumer, new = (
        participant(2, "Attendee"),
        participant(1, "Consumer"),
        participant(3, "Collaborator"),
    )
    assert steps["roster after add or update"] == [consumer, attendee, new]
    assert steps["roster after remove"] == [consumer, new]

    assert [len(page) for page in steps["list"]] == [30, 11, 0, 17, 23]
    assert [room for page in steps["list"] for room in page] == [room["id"], *seeded[::-1]]

    for step, status, message, detail in ERRORS:
        text_and_target = [[each["message"], each["target"]] for each in steps[step]["details"]]
        assert text_and_target == ([detail] if detail else []), step
        assert steps[step] | {"details": []} == {
            "name": "RestError",
            "statusCode": status,
            "code": CODES[status],
            "message": message,
            "details": [],
        }
    # The client itself rejects unknown roles.
    assert "Kafka is not a valid value" in steps["bad role"]["message"]
    assert sorted(room.id for room in store.rooms_page().items) == sorted(seeded[::-1][:29])


async def test_creates_are_repeatable(emulator: Emulator) -> None:
    """Each create has a unique id, and links are followed unchanged."""
    emulator.store.seed(31)
    await walk("rooms-sdk.mjs", emulator)
    creates = [entry for entry in emulator.journal if entry.operation == "CreateRoom"]
    ids = {entry.headers.get("Repeatability-Request-ID") for entry in creates}
    assert (len(ids), None in ids) == (len(creates), False)
    links = [entry.target for entry in emulator.journal if "nextLink=" in entry.target]
    assert [link.count("api-version=2025-03-13") for link in links] == [1] * len(links)
    assert len(links) >= 1
