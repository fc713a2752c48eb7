"""Scheme, host and port that a client used, for the links in responses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rooms_emulator import problems

_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])"
_AUTHORITY = re.compile(rf"{_HOST}(?::([0-9]{{1,5}}))?", re.ASCII)
_URL = re.compile(r"(https?)://([^/]*)/?", re.ASCII)

# One pair of a `Forwarded` header, and what separates it from the next (RFC 7239, section 4).
# Proxies send ports without the quotes that the RFC requires.
_PAIR = re.compile(r"""\s*([A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))\s*(;|,|\Z)""", re.ASCII)


class Origins:
    """Determines the origins for links: scheme, host and port, such as `https://localhost:8125`.

    - `public_url`: origin of all links, whatever the request; by default that of each request.
    - `trust_forwarded`: use `Forwarded`, `X-Forwarded-Proto`, `X-Forwarded-Host` and
      `X-Forwarded-Port` of a proxy. Malformed values are ignored.

    Raises ValueError if `public_url` is malformed or has more parts.
    """

    def __init__(self, public_url: str | None = None, *, trust_forwarded: bool = False) -> None:
        self.public = None if public_url is None else _parse_url(public_url)
        """Origin of all links; None if it is that of each request."""
        self._trust_forwarded = trust_forwarded

    def of(self, scheme: str, headers: Mapping[str, str]) -> str:
        """Return the origin for links in the response to a request.

        `scheme` is that of the connection. Raises ServiceError with status 400 if `Host` is missing
        or malformed.
        """
        host = headers.get("Host", "")
        if not _is_authority(host):
            raise problems.bad_request("Host must be a host name or address, and a port.")
        if self.public is not None:
            return self.public
        if self._trust_forwarded:
            scheme, host = _forwarded(headers, scheme, host)
        return f"{scheme}://{host}"


def _parse_url(url: str) -> str:
    match = _URL.fullmatch(url)
    if match is None or not _is_authority(match[2]):
        raise ValueError(
            f"{url!r} is no public URL: use https://HOST:PORT or http://HOST:PORT, without a path"
        )
    return url.rstrip("/")


def _is_authority(text: str) -> bool:
    match = _AUTHORITY.fullmatch(text)
    return match is not None and (match[1] is None or 0 < int(match[1]) <= _MAX_PORT)


def _forwarded(headers: Mapping[str, str], scheme: str, host: str) -> tuple[str, str]:
    """Return scheme and host with port that proxies received, or else those given."""
    element = _first_element(headers.get("Forwarded", ""))
    proto = (element.get("proto") or _first(headers, "X-Forwarded-Proto")).lower()
    if proto in _DEFAULT_PORTS:
        scheme = proto
    named = element.get("host") or _first(headers, "X-Forwarded-Host")
    if _is_authority(named):
        host = named
    # Many proxies forward the host without the port, and the port separately.
    port = _first(headers, "X-Forwarded-Port")
    complete = f"{host}:{port}"
    if _is_authority(complete) and int(port) != _DEFAULT_PORTS[scheme]:
        host = complete
    return scheme, host


def _first(headers: Mapping[str, str], name: str) -> str:
    """Return the first value in a list, which the proxy next to the client has added."""
    return headers.get(name, "").partition(",")[0].strip()


def _first_element(line: str) -> dict[str, str]:
    """Return the pairs in the first element of `Forwarded`; none if it is malformed."""
    pairs, position, separator = dict[str, str](), 0, ";"
    while separator == ";":
        match = _PAIR.match(line, position)
        if match is None:
            return {}
        quoted = re.sub(r"\\(.)", r"\1", match[2] or "")
        pairs[match[1].lower()] = quoted or match[3] or ""
        position, separator = match.end(), match[4]
    return pairs
