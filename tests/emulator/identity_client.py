"""Signed calls of the Identity API."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

from emulator.signing_client import Client, Response

LATEST = "2023-10-01"
SCOPES = ("chat", "voip", "chat.join", "chat.join.limited", "voip.join")


async def ask(
    client: Client,
    path: str = "",
    content: object = None,
    method: str = "POST",
    version: str | None = LATEST,
) -> Response:
    """Call the Identity API; `path` is below `/identities`."""
    return await client.call(method, f"/identities{path}", content, version=version)


async def new_user(client: Client) -> str:
    response = await ask(client)
    assert response.status == 201, response
    return str(response.json["identity"]["id"])


def parts(token: str) -> tuple[Any, Any, bytes]:
    """Return the header, the claims and the signature of a JWT."""
    header, claims, signature = (
        urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    return json.loads(header), json.loads(claims), signature
