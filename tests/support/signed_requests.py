"""A client of the emulator that signs by hand, and recorded texts of the Rooms service."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp import ClientSession
from yarl import URL

from rooms_emulator import DEVELOPMENT_KEY
from support.samples import user

VERSION = "2025-03-13"
MERGE_PATCH = "application/merge-patch+json"


def from_now(**delta: float) -> str:
    """Return a time relative to now, in the format of a client."""
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def string_to_sign(method: str, target: str, date: str, host: str, content_hash: str) -> str:
    return f"{method}\n{target}\n{date};{host};{content_hash}"


def signature(key: str, text: str) -> str:
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def hash_of(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@dataclass
class Signer:
    """Generates the headers of a signed request, with the current or another date."""

    host: str
    key: str = DEVELOPMENT_KEY
    date: str | None = None
    date_header: str = "x-ms-date"

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        date = self.date or formatdate(usegmt=True)
        text = string_to_sign(method, target, date, self.host, hash_of(body))
        return {
            self.date_header: date,
            "x-ms-content-sha256": hash_of(body),
            "Authorization": authorization(signature(self.key, text), self.date_header),
        }


def authorization(signed: str, date_header: str = "x-ms-date") -> str:
    names = f"{date_header};host;x-ms-content-sha256"
    return f"HMAC-SHA256 SignedHeaders={names}&Signature={signed}"


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Client:
    """Calls an emulator; `target` is sent and signed unchanged."""

    def __init__(self, session: ClientSession, endpoint: str) -> None:
        self._session = session
        self.endpoint = endpoint
        self.signer = Signer(endpoint.removeprefix("http://"))

    async def call(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        version: str | None = VERSION,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        target = path
        if version is not None:
            target += f"{'&' if '?' in path else '?'}api-version={version}"
        body = b""
        lines = {}
        if content is not None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            lines["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
        lines |= self.signer.headers(method, target, body)
        return await self.send(method, target, body, lines | dict(headers or {}))

    async def send(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        url = URL(self.endpoint + target, encoded=True)
        skip = [] if "Content-Type" in headers else ["Content-Type"]
        async with self._session.request(
            method,
            url,
            data=BytesIO(body) if body else None,
            headers=headers,
            skip_auto_headers=skip,
            allow_redirects=False,
        ) as response:
            return Response(response.status, response.headers, await response.read())

    async def create(self, **members: object) -> Any:
        response = await self.call("POST", "/rooms", members)
        assert response.status == 201, response
        return response.json

    async def patch_roster(self, room_id: str, changes: Mapping[str, object]) -> Response:
        path = f"/rooms/{room_id}/participants"
        return await self.call("PATCH", path, {"participants": changes})

    async def roster(self, room_id: str) -> list[tuple[str, str]]:
        pages = [page async for page in self.pages(f"/rooms/{room_id}/participants")]
        return [(each["rawId"], each["role"]) for page in pages for each in page["value"]]

    async def pages(self, path: str, **options: Any) -> AsyncIterator[Any]:
        """Follow each `nextLink` unchanged, as clients do."""
        response = await self.call("GET", path, **options)
        while True:
            assert response.status == 200, response
            page = response.json
            yield page
            if "nextLink" not in page:
                return
            assert page["nextLink"].startswith(f"{self.endpoint}{path}?nextLink=")
            target = page["nextLink"].removeprefix(self.endpoint)
            response = await self.call("GET", target, version=None)

    async def control(self, method: str, path: str, content: object = None) -> Response:
        body = b"" if content is None else json.dumps(content).encode()
        return await self.send(method, f"/_emulator/{path}", body, {})


def client_session() -> ClientSession:
    return ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=20)
    )


async def exchange(endpoint: str, sent: bytes) -> bytes:
    """Send bytes on a new connection, and read until it closes."""
    host, _, port = endpoint.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


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


MALFORMED = "The request could not be understood by the server due to malformed syntax."
PAST_END = ("The time range end is in the past.", "ValidUntil")
BAD_RANGE = ("The time range is incorrect, or larger than 180 days.", "ValidUntil")
BAD_START = ("Value is incorrect or more than 180 days in the future.", "ValidFrom")
HALF_RANGE = ("validFrom and validUntil should be set together.", "")
ROLES = "Presenter, Attendee, Consumer, Collaborator"
BAD_ROLE = (
    f"Invalid participant role. The valid roles are: {ROLES}.",
    f"$.participants.{user(1)}.role",
)
UNKNOWN_ROOM = "9949484443000000"
