"""The Rooms quickstart from its first step, with Microsoft's unmodified JavaScript clients."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from support.microsoft_sdks import walk

from rooms_emulator import Emulator

pytestmark = pytest.mark.needs("node-clients")

WALK = [
    *["CreateIdentity"] * 2,
    *["CreateRoom", "GetRoom", "UpdateRoom", "ListRooms"],
    *["UpdateParticipants", "ListParticipants"] * 2,
    *["DeleteRoom", "GetRoom"],
    *["CreateIdentity", "RevokeAccessTokens", "IssueAccessToken", "IssueAccessToken"],
    *["DeleteIdentity", "IssueAccessToken"],
]


async def test_quickstart(emulator: Emulator) -> None:
    steps = await walk("quickstart.mjs", emulator)
    first, second = steps["users"]
    room = steps["create"]
    assert steps["get"] == room
    assert steps["update"]["got"] == steps["update"]["asked"]
    assert steps["list"] == [room["id"]]
    assert steps["roster after add"] == [[first, "Presenter"], [second, "Attendee"]]
    assert steps["roster after remove"] == [[second, "Attendee"]]
    assert steps["deleted room"]["statusCode"] == 404
    assert [entry.operation for entry in emulator.journal] == WALK
    assert (len(emulator.store), len(emulator.identities)) == (0, 2)


async def test_identity_client(emulator: Emulator) -> None:
    """The client's parser reads the expiry of an access token."""
    steps = await walk("quickstart.mjs", emulator)
    expiry = {
        name: datetime.fromisoformat(text) for name, text in steps["expiry of a token"].items()
    }
    assert timedelta(0) <= expiry["told"] - expiry["read"] < timedelta(seconds=1)
    assert steps["token after revoke"] == 3
    assert steps["short life"] == {
        "statusCode": 400,
        "code": "ValidationError",
        "message": "ExpiresInMinutes value 59 is invalid. "
        "Value must be within the [60, 1440] interval.",
    }
    assert steps["deleted user"] == {
        "statusCode": 404,
        "code": "IdentityNotFound",
        "message": "Provided identity doesn't exist.",
    }


async def test_the_client_uses_the_latest_version(
    emulator: Emulator,
) -> None:
    await walk("quickstart.mjs", emulator)
    versions = {
        entry.target.partition("api-version=")[2]
        for entry in emulator.journal
        if entry.target.startswith("/identities")
    }
    assert versions == {"2023-10-01"}
