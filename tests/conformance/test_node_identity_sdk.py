"""Microsoft's unmodified JavaScript client, @azure/communication-identity, against the emulator."""

from __future__ import annotations

import pytest
from support.microsoft_sdks import walk
from support.signed_requests import SCOPES
from support.teams_tokens import TEAMS_USER

from rooms_emulator import Emulator

pytestmark = pytest.mark.needs("node-clients")

GONE = [404, "IdentityNotFound", "Provided identity doesn't exist."]
NOT_OWNED = [401, "IdentityNotOwned", "Provided identity doesn't belong to the resource."]
INTERVAL = "ExpiresInMinutes value {} is invalid. Value must be within the [60, 1440] interval."
ERRORS = {
    "deleted user, revokeTokens": GONE,
    "deleted user, deleteUser": GONE,
    "deleted user, getToken": GONE,
    "stranger, revokeTokens": NOT_OWNED,
    "stranger, deleteUser": NOT_OWNED,
    "stranger, getToken": NOT_OWNED,
    "no scopes": [400, "ValidationError", "Invalid scopes - Scopes field is required."],
    "59 minutes": [400, "ValidationError", INTERVAL.format(59)],
    "1441 minutes": [400, "ValidationError", INTERVAL.format(1441)],
    "expired": [401, "InvalidAccessToken", "Provided access token is not valid."],
    "no app": [400, "ValidationError", "AppId: The AppId field is required."],
    "bad user": [400, "ValidationError", "Provided UserId has invalid format."],
    "another app": [400, "ValidationError", "AAD application is not the expected one."],
    "another user": [400, "ValidationError", "Provided AAD token issued for unexpected user."],
}


async def test_identity_walk(emulator: Emulator) -> None:
    """Users, tokens of every scope, the exchange of a Teams user's token, errors."""
    steps = await walk("identity-sdk.mjs", emulator)
    assert steps["user"].startswith(f"8:acs:{emulator.identities.resource}_")
    assert steps["scopes"] == {scope: scope for scope in SCOPES}
    assert steps["user and token"] == {
        "acsScope": ",".join(SCOPES),
        "life": 3600,
        "same": True,
        "expiry": True,
    }
    assert (steps["revoke"], steps["delete"]) == (None, None)
    assert steps["Teams user"] == {"skypeid": f"orgid:{TEAMS_USER}", "expiry": True}
    assert {name: steps[name] for name in ERRORS} == ERRORS
    assert len(emulator.identities) == 1
