"""A small client that signs as documented, independent of the emulator's code."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
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

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        date = self.date or formatdate(usegmt=True)
        text = string_to_sign(method, target, date, self.host, hash_of(body))
        return {
            "x-ms-date": date,
            "x-ms-content-sha256": hash_of(body),
            "Authorization": authorization(signature(self.key, text)),
        }


def authorization(signed: str) -> str:
    names = "x-ms-date;host;x-ms-content-sha256"
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
