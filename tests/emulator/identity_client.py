"""Calls of the identity API for tests, signed as everywhere."""

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
    """Call the identity API, with a path below ``/identities``."""
    return await client.call(method, f"/identities{path}", content, version=version)


async def new_user(client: Client) -> str:
    answer = await ask(client)
    assert answer.status == 201, answer
    return str(answer.json["identity"]["id"])


def parts(token: str) -> tuple[Any, Any, bytes]:
    """Give the header and the claims of a JWT, and its signature."""
    header, claims, signature = (
        urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    return json.loads(header), json.loads(claims), signature
