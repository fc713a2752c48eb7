"""Requests that a browser sends for a page of another origin (CORS).

Recordings show `Access-Control-Allow-Origin: *` in responses to requests with `Origin`. None shows
a preflight: its response is that of ASP.NET Core to a policy that allows everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from rooms_emulator.http.messages import RawRequest, Response

ALLOW_ANY_ORIGIN: Mapping[str, str] = MappingProxyType({"Access-Control-Allow-Origin": "*"})

# The headers of a preflight, and those of its response that repeat them.
_REPEATED = (
    ("Access-Control-Request-Method", "Access-Control-Allow-Methods"),
    ("Access-Control-Request-Headers", "Access-Control-Allow-Headers"),
)


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request asks, without credentials, for permission to send another one."""
    return method == "OPTIONS" and "Origin" in headers and _REPEATED[0][0] in headers


def preflight_response(request: RawRequest) -> Response:
    """Return the response to a preflight: the requested method and headers are allowed."""
    requested = ((allow, request.headers.get(ask, "")) for ask, allow in _REPEATED)
    # Other characters could not be sent.
    allowed = {allow: value for allow, value in requested if value and value.isascii()}
    return Response(HTTPStatus.NO_CONTENT, headers=allowed)
