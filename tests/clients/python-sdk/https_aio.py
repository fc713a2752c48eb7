"""Uses Microsoft's unmodified asynchronous clients over https, with a key and a bearer token.

Arguments: a connection string, a bearer token. Prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Self

from azure.communication.identity import CommunicationTokenScope
from azure.communication.identity.aio import CommunicationIdentityClient
from azure.communication.rooms.aio import RoomsClient
from azure.core.credentials import AccessToken

# The client's default is the name of an enum member, which fails on the second page of a list.
VERSION = "2025-03-13"


class Credential:
    """A bearer token, as from Microsoft Entra ID."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(sys.argv[2], int(time.time()) + 3600)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def main() -> None:
    string = sys.argv[1]
    endpoint = string.removeprefix("endpoint=").partition(";accesskey=")[0]
    async with (
        RoomsClient.from_connection_string(string, api_version=VERSION) as with_key,
        RoomsClient(endpoint, Credential(), api_version=VERSION) as with_token,
        CommunicationIdentityClient.from_connection_string(string) as users,
        CommunicationIdentityClient(endpoint, Credential()) as users_with_token,
    ):
        created = (await with_key.create_room()).id
        user, _ = await users.create_user_and_token([CommunicationTokenScope.VOIP])
        other = await users_with_token.create_user()
        printed = {
            "created": created,
            "rooms": [room.id async for room in with_key.list_rooms()],
            "roomsWithToken": [room.id async for room in with_token.list_rooms()],
            "users": [user.properties["id"], other.properties["id"]],
        }
    sys.stdout.write(json.dumps(printed) + "\n")


asyncio.run(main())
