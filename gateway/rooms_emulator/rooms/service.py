"""The Rooms REST API over HTTP."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import msgspec
from aiohttp import web

from rooms_emulator import problems
from rooms_emulator.http import cors, headers, json_body
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.messages import EncodedResponse, Outcome, RawRequest, Response
from rooms_emulator.http.routing import Match
from rooms_emulator.problems import Envelope, ServiceError
from rooms_emulator.rooms import routes, versions
from rooms_emulator.rooms.legacy.operations import LegacyOperations
from rooms_emulator.rooms.operations import Call
from rooms_emulator.rooms.records import RosterFullError
from rooms_emulator.rooms.store import NoSuchRoomError
from rooms_emulator.service import RequestPipeline

_ENCODER = msgspec.json.Encoder()


class RoomsService:
    """The Rooms REST service. With `legacy` it also supports api-version 2022-02-01."""

    def __init__(
        self,
        pipeline: RequestPipeline,
        operations: LegacyOperations,
        response_headers: ResponseHeaders,
        *,
        legacy: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._operations = operations
        self._response_headers = response_headers
        self._legacy = legacy

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle a request, and inject a fault if one applies."""
        path, _, query = request.raw_path.partition("?")
        legacy = self._legacy and versions.is_legacy(query)
        match = routes.find(request.method, path, legacy=legacy)
        preflight = cors.is_preflight(request.method, request.headers)
        return await self._pipeline.process(
            request,
            match.operation,
            cors.preflight_response if preflight else partial(self._respond, match=match),
            partial(self._encode, legacy=legacy, cross_origin="Origin" in request.headers),
            authenticate=not preflight,
        )

    def _respond(self, request: RawRequest, *, match: Match[LegacyOperations, Call]) -> Response:
        route = match.require()
        query = request.query
        version = versions.select(query, request.url, legacy=self._legacy)
        body: json_body.JsonObject = {}
        if route.media_type is not None:
            if request.media_type != route.media_type:
                raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            body = json_body.parse(request.body)
        call = Call(version, request.url, match.resource_id, query, request.headers, body)
        try:
            return route.run(self._operations, call)
        except NoSuchRoomError:
            raise problems.not_found() from None
        except RosterFullError:
            raise problems.bad_request(problems.ROSTER_FULL) from None

    def _encode(self, outcome: Outcome, *, legacy: bool, cross_origin: bool) -> EncodedResponse:
        lines = self._response_headers.generate()
        if cross_origin:
            lines |= cors.ALLOW_ANY_ORIGIN
        content: msgspec.Struct | None
        if isinstance(outcome, ServiceError):
            content, from_validation = Envelope(outcome.body), outcome.from_validation
            if not (from_validation or legacy):
                lines["x-ms-error-code"] = outcome.body.code
        else:
            content, from_validation = outcome.body, False
        if not from_validation:
            lines["api-supported-versions"] = versions.SUPPORTED
        lines |= outcome.headers
        body = None if content is None else _ENCODER.encode(content)
        if body is not None:
            lines["Content-Type"] = headers.JSON
        return EncodedResponse(outcome.status, lines, body)
