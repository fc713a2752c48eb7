"""One REST operation: sends a request and raises exceptions for error responses."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.errors import (
    GatewayError,
    InvalidUpstreamResponseError,
    UnattributedResponseError,
    UnsupportedApiVersionError,
    UpstreamRejectedError,
)
from rooms_gateway.upstream.error_response import read_error
from rooms_gateway.upstream.transport.messages import OperationFamily
from rooms_gateway.upstream.transport.retry import retry_after
from rooms_gateway.upstream.transport.sender import RestRequest, RestResponse, Sender

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

ROOMS = "the Rooms service"

encode = msgspec.json.Encoder().encode

_SUCCESS = range(200, 300)

_ATTRIBUTED = frozenset(range(400, 500)) - {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Statuses that are believed from the Rooms service only. Others mean the same from a proxy."""


class DryRunError(Exception):
    """Control flow, not a failure: ends a dry run and carries the request that it did not send."""

    def __init__(self, request: RestRequest) -> None:
        super().__init__("dry run")
        self.request = request


class Operation:
    """Calls REST operations of one service in one api-version."""

    def __init__(self, sender: Sender, api_version: str, service: str = ROOMS) -> None:
        self._sender = sender
        self._query = f"api-version={api_version}"
        self._service = service
        self.api_version = api_version

    async def call(
        self,
        method: str,
        path: str,
        call: Call,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        query: str | None = None,
        family: OperationFamily = OperationFamily.READS,
    ) -> RestResponse:
        """Send the request and return the response if its status is a success.

        `family` selects the pacer. `query` replaces the default query: one from a `nextLink`
        contains the api-version.
        Raises UpstreamRejectedError for any other status, UnattributedResponseError if the Rooms
        service has not sent the response, DryRunError in a dry run, and what `Sender.send` raises.
        """
        target = f"{path}?{query or self._query}"
        request = RestRequest(method, target, body, headers or {}, family)
        if call.dry_run:
            raise DryRunError(request)
        response = await self._sender.send(request, call)
        if response.status in _SUCCESS:
            return response
        raise self._rejection(response)

    def _rejection(self, response: RestResponse) -> GatewayError:
        """Return the exception for an error response."""
        error = read_error(response)
        if error.unsupported_version:
            return UnsupportedApiVersionError(
                f"{self._service} does not support REST api-version {self.api_version}, which the "
                "gateway is configured with"
            )
        if not error.code and response.status in _ATTRIBUTED:
            return UnattributedResponseError(response.status, self._service)
        return UpstreamRejectedError(
            response.status,
            code=error.code,
            message=error.message,
            details=error.details,
            retry_after=retry_after(response.headers, time.time()),
            after_ambiguous_attempt=response.after_ambiguous_attempt,
        )


def room_path(room_id: str) -> str:
    """Return the path of a room."""
    # Room ids are digits; the test is cheaper than `quote`.
    plain = room_id.isascii() and room_id.isalnum()
    return f"/rooms/{room_id if plain else quote(room_id, safe='')}"


def participants_path(room_id: str) -> str:
    """Return the path of a room's roster."""
    return f"{room_path(room_id)}/participants"


def decode(decoder: msgspec.json.Decoder[T], response: RestResponse, service: str = ROOMS) -> T:
    """Decode the body of a response. Raises InvalidUpstreamResponseError if it is malformed."""
    try:
        return decoder.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidUpstreamResponseError(
            f"{service} sent a response (HTTP status {response.status}) with malformed or "
            "unexpected JSON"
        ) from error
