"""Uses Microsoft's unmodified clients over https, with a key and with a bearer token.

Arguments: a connection string, a bearer token. Prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from azure.communication.identity import CommunicationIdentityClient, CommunicationTokenScope
from azure.communication.rooms import RoomsClient
from azure.core.credentials import AccessToken

# The client's default is the name of an enum member, which fails on the second page of a list.
VERSION = "2025-03-13"


class Credential:
    """A bearer token, as from Microsoft Entra ID."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(sys.argv[2], int(time.time()) + 3600)


def main() -> None:
    string = sys.argv[1]
    endpoint = string.removeprefix("endpoint=").partition(";accesskey=")[0]
    with_key = RoomsClient.from_connection_string(string, api_version=VERSION)
    created = with_key.create_room().id
    users = CommunicationIdentityClient.from_connection_string(string)
    user, _ = users.create_user_and_token([CommunicationTokenScope.VOIP])
    other = CommunicationIdentityClient(endpoint, Credential()).create_user()
    with_token = RoomsClient(endpoint, Credential(), api_version=VERSION)
    printed = {
        "created": created,
        "rooms": [room.id for room in with_key.list_rooms()],
        "roomsWithToken": [room.id for room in with_token.list_rooms()],
        "users": [user.properties["id"], other.properties["id"]],
    }
    sys.stdout.write(json.dumps(printed) + "\n")


main()
