"""The Identity REST API over HTTP, with its own headers."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus

import msgspec
from aiohttp import web

from rooms_emulator import problems
from rooms_emulator.http import api_versions, headers
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.messages import EncodedResponse, Outcome, RawRequest, Response
from rooms_emulator.http.routing import Match
from rooms_emulator.identity import versions
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.identity.problems import no_such_identity
from rooms_emulator.identity.routes import ROUTER
from rooms_emulator.identity.store import NoSuchIdentityError
from rooms_emulator.problems import Envelope, ServiceError
from rooms_emulator.service import RequestPipeline

_TARGET = re.compile(r"/identities(?:[/?].*)?", re.DOTALL)
_REQUEST_JSON = _ERROR_JSON = "application/json"
_SECURITY = {"Strict-Transport-Security": "max-age=2592000"}


class IdentityService:
    """The Identity REST service, on the same address as Rooms."""

    def __init__(
        self,
        pipeline: RequestPipeline,
        operations: IdentityOperations,
        response_headers: ResponseHeaders,
    ) -> None:
        self._pipeline = pipeline
        self._operations = operations
        self._response_headers = response_headers

    @staticmethod
    def serves(target: str) -> bool:
        """Return whether a request target belongs to this API."""
        return _TARGET.fullmatch(target) is not None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle a request, and inject a fault if one applies."""
        match = ROUTER.find(request.method, request.raw_path.partition("?")[0])
        return await self._pipeline.process(
            request, match.operation, partial(self._respond, match=match), self._encode
        )

    def _respond(
        self, request: RawRequest, *, match: Match[IdentityOperations, IdentityCall]
    ) -> Response:
        route = match.require()
        version = api_versions.select(versions.VERSIONS, request.query, request.url)
        if request.body and request.media_type != _REQUEST_JSON:
            raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        call = IdentityCall(version, match.resource_id, request.body)
        try:
            return route.run(self._operations, call)
        except NoSuchIdentityError:
            raise no_such_identity() from None

    def _encode(self, outcome: Outcome) -> EncodedResponse:
        lines = self._response_headers.generate() | _SECURITY
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
        return EncodedResponse(outcome.status, lines, body)
