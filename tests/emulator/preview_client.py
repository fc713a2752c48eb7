"""A client of api-version 2022-02-01."""

from __future__ import annotations

from typing import Any

from emulator.signing_client import Client, Response
from people import user

PREVIEW = "2022-02-01"
FROM, UNTIL = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"

NOW = 1_893_400_000 * 10**9
"""An instant in December 2029, in nanoseconds."""


class Preview:
    """A client of the preview."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, method: str, path: str, content: object = None) -> Response:
        lines = {"Content-Type": "application/json"} if content is not None else {}
        return await self.client.call(method, path, content, version=PREVIEW, headers=lines)

    async def create(self, **members: object) -> Any:
        response = await self.call("POST", "/rooms", members)
        assert response.status == 201, response
        return response.json

    async def change(self, verb: str, room_id: str, *participants: object) -> Response:
        path = f"/rooms/{room_id}/participants:{verb}"
        return await self.call("POST", path, {"participants": list(participants)})

    async def roster(self, room_id: str) -> list[tuple[str, str]]:
        response = await self.call("GET", f"/rooms/{room_id}/participants")
        assert response.json.keys() == {"participants"}
        return [
            (each["communicationIdentifier"]["rawId"], each["role"])
            for each in response.json["participants"]
        ]


def sent(number: int, role: str | None = None) -> dict[str, object]:
    """Return a participant as the preview's clients send it."""
    participant: dict[str, object] = {
        "communicationIdentifier": {"communicationUser": {"id": user(number)}}
    }
    return participant if role is None else participant | {"role": role}


def shown(number: int, role: str) -> dict[str, object]:
    """Return a participant as the responses of the preview contain it."""
    identifier = {"rawId": user(number), "communicationUser": {"id": user(number)}}
    return {"communicationIdentifier": identifier, "role": role}
