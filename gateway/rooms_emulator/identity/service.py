"""The Identity REST API over HTTP, with its own headers."""

from __future__ import annotations

import asyncio
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
from rooms_emulator.identity import routes
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.identity.problems import no_such_identity
from rooms_emulator.identity.store import NoSuchIdentityError
from rooms_emulator.problems import Envelope, ServiceError
from rooms_emulator.service import RequestPipeline

_TARGET = re.compile(r"/(?:identities|teamsUser)(?:[/?].*)?", re.DOTALL)
_REQUEST_JSON = _ERROR_JSON = "application/json"
_CLIENT_REQUEST_ID = "x-ms-client-request-id"


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
        match = routes.ROUTER.find(request.method, request.raw_path.partition("?")[0])
        return await self._pipeline.process(
            request,
            match.operation,
            partial(self._respond, match=match),
            partial(
                self._encode,
                operation=match.operation,
                client_request_id=request.headers.get(_CLIENT_REQUEST_ID, ""),
                received=asyncio.get_running_loop().time(),
            ),
        )

    def _respond(
        self, request: RawRequest, *, match: Match[IdentityOperations, IdentityCall]
    ) -> Response:
        route = match.require()
        supported = routes.versions_of(route.operation)
        version = api_versions.select(supported, request.query, request.url)
        if request.body and request.media_type != _REQUEST_JSON:
            raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        call = IdentityCall(version, match.resource_id, request.body)
        try:
            return route.run(self._operations, call)
        except NoSuchIdentityError:
            raise no_such_identity() from None

    def _encode(
        self, outcome: Outcome, *, operation: str, client_request_id: str, received: float
    ) -> EncodedResponse:
        lines = self._response_headers.generate()
        elapsed = asyncio.get_running_loop().time() - received
        lines["X-Processing-Time"] = f"{elapsed * 1000:.0f}ms"
        # Other characters could not be sent.
        if client_request_id and client_request_id.isascii():
            lines[_CLIENT_REQUEST_ID] = client_request_id
        if outcome.status == HTTPStatus.OK:
            lines["Accept-Ranges"] = "bytes"
        content: msgspec.Struct | None
        if isinstance(outcome, ServiceError):
            content, media_type, chunked = Envelope(outcome.body), _ERROR_JSON, True
            from_validation = outcome.from_validation
        else:
            content, media_type, chunked = outcome.body, headers.JSON, False
            from_validation = False
        if not from_validation:
            lines["api-supported-versions"] = routes.listing_of(operation)
        lines |= outcome.headers
        body = None if content is None else msgspec.json.encode(content)
        if body is not None:
            lines["Content-Type"] = media_type
        return EncodedResponse(outcome.status, lines, body, chunked=chunked)
