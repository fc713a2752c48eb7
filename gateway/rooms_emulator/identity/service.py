"""The identity API as seen over HTTP, with the headers that it has of its own."""

import re
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from rooms_emulator import problems
from rooms_emulator.auth.access_key import Signed
from rooms_emulator.http import headers
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.wire import Reply
from rooms_emulator.identity import versions
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.identity.problems import no_such_identity
from rooms_emulator.identity.routes import Match, find
from rooms_emulator.identity.store import NoSuchIdentityError
from rooms_emulator.problems import Envelope, ServiceError
from rooms_emulator.rooms.operations import Answer
from rooms_emulator.rooms.versions import choose
from rooms_emulator.service import Service

_OURS: Final = re.compile(r"/identities(?:[/?].*)?", re.DOTALL)
_ERROR_JSON: Final = "application/json"
_SECURITY: Final = {"Strict-Transport-Security": "max-age=2592000"}


class IdentityService:
    """The identity REST service, behind the same door as that of Rooms.

    Args:
        rooms: the service of Rooms, for what both have in common: the signature, the journal and
            the faults.
        operations: what the paths lead to.
        stamp: makes the headers of every answer.

    """

    def __init__(
        self, rooms: Service, operations: IdentityOperations, stamp: ResponseHeaders
    ) -> None:
        self._rooms = rooms
        self._operations = operations
        self._stamp = stamp

    @staticmethod
    def serves(target: str) -> bool:
        """Whether a request target is one of this API's."""
        return _OURS.fullmatch(target) is not None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, as well as the fault that strikes it lets us."""
        match = find(request.method, request.raw_path.partition("?")[0])
        return await self._rooms.exchange(
            request,
            match.route.operation if match.route else "",
            partial(self._answer, match=match),
            self._render,
        )

    def _answer(self, request: Signed, *, match: Match) -> Answer:
        self._rooms.admit(request)
        route = match.require()
        path, _, query_string = request.target.partition("?")
        query = dict(parse_qsl(query_string, keep_blank_values=True))
        url = f"http://{request.headers.get('Host', '')}{path}"
        version = choose(versions.VERSIONS, query, url)
        media_type = request.headers.get("Content-Type", "").partition(";")[0]
        # Both clients name the type also where they send no body, and some paths take none.
        if request.body and media_type.strip().lower() != "application/json":
            raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            return route.run(self._operations, IdentityCall(version, match.raw_id, request.body))
        except NoSuchIdentityError:
            raise no_such_identity() from None

    def _render(self, outcome: Answer | ServiceError) -> Reply:
        lines = self._stamp.headers() | _SECURITY
        content: msgspec.Struct | None
        if isinstance(outcome, ServiceError):
            content, media_type = Envelope(outcome.body), _ERROR_JSON
            from_validation = outcome.from_validation
        else:
            content, media_type, from_validation = outcome.body, headers.JSON, False
        if not from_validation:
            lines["api-supported-versions"] = versions.SUPPORTED
        lines |= outcome.headers
        body = None if content is None else msgspec.json.encode(content)
        if body is not None:
            lines["Content-Type"] = media_type
        return Reply(outcome.status, lines, body)
