"""Access to the control API: not for web pages, and for other hosts with a key only."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from rooms_emulator.http.addresses import is_loopback
from rooms_emulator.problems import ErrorBody, ServiceError

_KEY = re.compile(r"[!-~]{16,256}", re.ASCII)

_OWN_PAGE = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site` for pages of the emulator, and for addresses that a user types."""


@dataclass(frozen=True, slots=True)
class ControlAccess:
    """Decides on requests to the control API.

    `key` is required of every request, also from loopback, unless it is None. `allow_remote`
    accepts other hosts than this one. `own_hosts` are the names of the emulator.
    Raises ValueError if the key is malformed, or missing although other hosts are accepted.
    """

    key: str | None = field(default=None, repr=False)
    allow_remote: bool = False
    own_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.key is not None and _KEY.fullmatch(self.key) is None:
            raise ValueError("the control key is not 16 to 256 visible ASCII characters")
        if self.allow_remote and self.key is None:
            raise ValueError(
                "other hosts may control the emulator with a key only: pass one with "
                "--control-key-file FILE or in ROOMS_EMULATOR_CONTROL_KEY, or remove "
                "--control-allow-remote"
            )

    def check(self, request: web.BaseRequest) -> None:
        """Raise ServiceError with status 401, 403 or 415 if the request is not accepted."""
        if not _is_of_own_page(request):
            raise _forbidden(
                "CrossOriginRequest", "The control API accepts no requests of other web pages."
            )
        if not (self.allow_remote or is_loopback(request.remote or "")):
            raise _forbidden(
                "RemoteRequest",
                "The control API accepts requests from loopback addresses only. For other hosts, "
                "start the emulator with --control-allow-remote and a control key.",
            )
        if not all(map(self.accepts_host, request.headers.getall("Host", []))):
            raise _forbidden(
                "UnknownHost",
                "The control API accepts an IP address, a name without a dot or the name of "
                "--listen or --public-url as Host: a web page can point any other name here.",
            )
        if self.key is not None and not _has_key(request.headers, self.key):
            error = ErrorBody(
                "ControlKeyRequired",
                "The control API requires the control key: send Authorization: Bearer KEY.",
            )
            raise ServiceError(HTTPStatus.UNAUTHORIZED, error, {"WWW-Authenticate": "Bearer"})
        # Forms of pages can send JSON as text/plain, and browsers of before 2020 without Origin.
        if request.content_type == "text/plain":
            error = ErrorBody(
                "UnsupportedMediaType", "Send JSON as application/json, not as text/plain."
            )
            raise ServiceError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)

    def accepts_host(self, authority: str) -> bool:
        """Return whether a `Host` is no name that a web page can point here (DNS rebinding)."""
        try:
            host = urlsplit(f"//{authority}").hostname or ""
        except ValueError:
            return False
        return "." not in host.removesuffix(".") or _is_ip(host) or host in self.own_hosts


def _is_of_own_page(request: web.BaseRequest) -> bool:
    """Return whether a request is of no web page, or of one that the emulator itself serves.

    The rule is that of Go's `http.CrossOriginProtection`: browsers set both headers, and pages
    cannot change them.
    """
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if sites:
        return _OWN_PAGE.issuperset(sites)
    host = request.headers.get("Host", "").lower()
    return all(
        origin.lower() in {f"http://{host}", f"https://{host}"}
        for origin in request.headers.getall("Origin", [])
    )


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _has_key(headers: Mapping[str, str], key: str) -> bool:
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), key.encode())
    return same and scheme.lower() == "bearer"


def _forbidden(code: str, message: str) -> ServiceError:
    return ServiceError(HTTPStatus.FORBIDDEN, ErrorBody(code, message))
