"""Error responses: what they contain, and whether the Rooms service has sent them.

Proxies, load balancers and firewalls send error responses too, which do not describe a room. Those
of the Rooms service have an error code, in the body or in `x-ms-error-code`. So a response without
a code is not attributed to it. Correlation headers are no proof: other services of Azure, and Azure
Front Door before this one, add them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from rooms_gateway.errors import UpstreamErrorDetail
from rooms_gateway.upstream.transport.messages import RestResponse

_ERRORS_FROM = 400
_PROBLEM = "application/problem+json"
_UNSUPPORTED_VERSION = "unsupportedapiversion"
_UNAUTHORIZED = 401

USER_OF_ANOTHER_RESOURCE = "IdentityNotOwned"
INVALID_TEAMS_TOKEN = "InvalidAccessToken"
USER_NOT_FOUND = "IdentityNotFound"
_ARGUMENT_CODES = (USER_OF_ANOTHER_RESOURCE, INVALID_TEAMS_TOKEN, USER_NOT_FOUND)
_NO_SUCH_USER = "Provided identity doesn't exist."
"""The text of the Identity service for a deleted or unknown user, whatever the status and code."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The members of an error response; a malformed member is empty and leaves the others."""

    code: str
    """Error code of the Rooms service; empty if it has not sent the response."""
    message: str
    details: tuple[UpstreamErrorDetail, ...] = ()
    unsupported_version: bool = False
    """Whether the response rejects the api-version."""


def read_error(response: RestResponse) -> ErrorResponse:
    """Read the JSON error envelope, problem details (RFC 9457), or the form of API Management."""
    header = response.headers.get("x-ms-error-code", "").strip()
    body = _object(response.body)
    error = body.get("error")
    if isinstance(error, dict):
        code, message = _text(error, "code"), _text(error, "message")
        details = tuple(_details(error.get("details")))
        if not details and (target := _text(error, "target")):
            details = (UpstreamErrorDetail(target, message),)
    else:
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        code = _text(body, "code") if content_type == _PROBLEM else ""
        message = _text(body, "detail") or _text(body, "message") or _text(body, "title")
        details = tuple(_field_errors(body.get("errors")))
    if message == _NO_SUCH_USER:
        code = USER_NOT_FOUND
    names = (code, header, _text(body, "title"))
    unsupported = _UNSUPPORTED_VERSION in (name.replace(" ", "").lower() for name in names)
    return ErrorResponse(code or header, message, details, unsupported)


def is_attributed(response: RestResponse) -> bool:
    """Return whether the Rooms service has sent `response`; of a success, it is assumed."""
    return response.status < _ERRORS_FROM or bool(read_error(response).code)


def rejects_credential(response: RestResponse) -> bool:
    """Return whether a service rejects the gateway's credential.

    The Identity service responds with 401 to invalid users and Teams tokens too.
    """
    if response.status != _UNAUTHORIZED:
        return False
    code = read_error(response).code
    return bool(code) and code not in _ARGUMENT_CODES


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _details(details: object) -> Iterator[UpstreamErrorDetail]:
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict):
            yield UpstreamErrorDetail(_text(each, "target"), _text(each, "message"))


def _field_errors(errors: object) -> Iterator[UpstreamErrorDetail]:
    """Read the member `errors` of ASP.NET's problem details: texts by field."""
    for field, texts in errors.items() if isinstance(errors, dict) else ():
        for text in texts if isinstance(texts, list) else ():
            if isinstance(text, str):
                yield UpstreamErrorDetail(field, text)
