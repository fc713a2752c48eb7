"""Scheme, host and port that a client used, for the links in responses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rooms_emulator import problems

_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}

_FORWARDED = ("Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port")
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

    @property
    def may_be_https(self) -> bool:
        """Whether clients may use https, although the emulator itself serves plain HTTP."""
        return self._trust_forwarded or (self.public or "").startswith("https:")

    def of(self, scheme: str, port: int, headers: Mapping[str, str]) -> str:
        """Return the origin for links in the response to a request.

        `scheme` and `port` are those of the connection. Raises ServiceError with status 400 if
        `Host` is missing or malformed.
        """
        host = headers.get("Host", "")
        if not _is_authority(host):
            raise problems.bad_request("Host must be a host name or address, and a port.")
        if self.public is not None:
            return self.public
        if self._trust_forwarded and any(name in headers for name in _FORWARDED):
            return _forwarded(headers, scheme, host)
        # Microsoft's client for Java omits the port from Host.
        return _with_port(scheme, host, port)


def without_port(host: str) -> str:
    """Return a host of `Host` or an origin without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


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


def _with_port(scheme: str, host: str, port: int) -> str:
    """Return an origin with `port` if `host` has none, and it is not that of the scheme."""
    has_port = without_port(host) != host
    return f"{scheme}://{host}" + ("" if has_port or port == _DEFAULT_PORTS[scheme] else f":{port}")


def _forwarded(headers: Mapping[str, str], scheme: str, host: str) -> str:
    """Return the origin that proxies received, with the parts given where headers lack them."""
    element = _first_element(headers.get("Forwarded", ""))
    proto = (element.get("proto") or _first(headers, "X-Forwarded-Proto")).lower()
    if proto in _DEFAULT_PORTS:
        scheme = proto
    named = element.get("host") or _first(headers, "X-Forwarded-Host")
    if _is_authority(named):
        host = named
    # Many proxies forward the host without the port, and the port separately.
    port = _first(headers, "X-Forwarded-Port")
    default = _DEFAULT_PORTS[scheme]
    return _with_port(scheme, host, int(port) if _is_authority(f"port:{port}") else default)


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
