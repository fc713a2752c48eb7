"""One exchange with the REST API: a request value out, a success or an error of ours back."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.errors import (
    InvalidUpstreamResponseError,
    UnsupportedApiVersionError,
    UpstreamErrorDetail,
    UpstreamRejectedError,
)
from rooms_gateway.upstream.models import ErrorBody, ErrorEnvelope
from rooms_gateway.upstream.transport.retry import retry_after
from rooms_gateway.upstream.transport.sender import RestRequest, RestResponse, Sender

T = TypeVar("T")

JSON: Final = {"Content-Type": "application/json"}
MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}

encode: Final = msgspec.json.Encoder().encode

_SUCCESS = range(200, 300)

_error = msgspec.json.Decoder(ErrorEnvelope)


class DryRunError(Exception):
    """Ends a dry run where the request would have been sent."""

    def __init__(self, request: RestRequest) -> None:
        super().__init__("dry run")
        self.request = request


class Operation:
    """Sends the requests of one api-version."""

    def __init__(self, transport: Sender, api_version: str) -> None:
        self._transport = transport
        self._query = f"api-version={api_version}"
        self.api_version = api_version

    async def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        call: Call,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        query: str | None = None,
        gone_is_done: bool = False,
    ) -> RestResponse:
        """Send and return the answer if it is a success; raise UpstreamRejectedError if not.

        `query` replaces ours: a continuation has the api-version in it already. `gone_is_done`:
        404 is a success when an earlier attempt of ours may have been the one that deleted.
        Raises DryRunError in a dry run, and what `Transport.send` raises.
        """
        request = RestRequest(method, f"{path}?{query or self._query}", body, headers or {})
        if call.dry_run:
            raise DryRunError(request)
        answer = await self._transport.send(request, call)
        if answer.status in _SUCCESS:
            return answer
        gone = answer.status == HTTPStatus.NOT_FOUND
        if gone_is_done and gone and answer.after_ambiguous_attempt:
            return answer
        raise _refusal(answer, self.api_version)


def room_path(room_id: str) -> str:
    """Return the path of a room."""
    # Real ids are digits, and need no search for what else might be in them.
    plain = room_id.isascii() and room_id.isalnum()
    return f"/rooms/{room_id if plain else quote(room_id, safe='')}"


def participants_path(room_id: str) -> str:
    """Return the path of a room's roster."""
    return f"{room_path(room_id)}/participants"


def decode(decoder: msgspec.json.Decoder[T], answer: RestResponse) -> T:
    """Read the body of an answer. Raises InvalidUpstreamResponseError."""
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidUpstreamResponseError(
            f"the service's answer (HTTP status {answer.status}) is not the JSON it should be"
        ) from error


def _refusal(
    answer: RestResponse, api_version: str
) -> UpstreamRejectedError | UnsupportedApiVersionError:
    """Read an error answer; one without the usual body still has its status and headers."""
    try:
        error = _error.decode(answer.body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = ErrorBody()
    if error.code == "UnsupportedApiVersion":
        return UnsupportedApiVersionError(
            f"the service does not support the REST api-version {api_version} that the gateway is "
            "configured with"
        )
    return UpstreamRejectedError(
        answer.status,
        code=error.code,
        message=error.message,
        details=tuple(
            UpstreamErrorDetail(detail.target or "", detail.message)
            for detail in error.details or ()
        ),
        retry_after=retry_after(answer.headers, time.time()),
    )
