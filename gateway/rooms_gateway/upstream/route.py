"""The route of connections to the endpoint: trusted CAs and proxy, as frozen values."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from rooms_gateway.upstream.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT, RFC 9110, section 9.3.6)."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    """Value of the `Proxy-Authorization` header; empty: no credentials."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Parse `http://proxy.example:3128`.

        Raises ValueError, with one sentence that repeats nothing of `text`: it may have a password.
        """
        scheme, _, rest = text.partition("://")
        if "@" in rest:
            raise ValueError(
                "a proxy URL must not contain a user name or password: pass "
                "--upstream-proxy-credentials-file"
            )
        port = rest.rstrip("/").rpartition(":")[2]
        try:
            # As https://, because an endpoint with http:// must be on loopback.
            origin = Endpoint.parse(f"https://{rest}")
        except ValueError:
            origin = None
        if origin is None or scheme.lower() != "http" or not port.isdecimal():
            raise ValueError("a proxy must be given as http://HOST:PORT")
        return cls(origin.host, origin.port)


@dataclass(frozen=True, slots=True)
class Route:
    """How connections reach the endpoint."""

    ca: str | None = None
    """CA certificates to trust instead of those of the system, PEM; None: those of the system."""
    proxy: Proxy | None = None


def basic_authorization(text: str) -> str:
    """Return the `Proxy-Authorization` header for `text`, a line `user:password` in ASCII.

    Raises ValueError, with the end of a sentence that repeats nothing of `text`.
    """
    line = text.strip("\r\n")
    user, colon, _ = line.partition(":")
    if not user or not colon or not line.isprintable():
        raise ValueError("must contain one line, user:password")
    return f"Basic {base64.b64encode(line.encode('ascii')).decode('ascii')}"


DIRECT = Route()
"""Without a proxy, and with the CAs of the system."""
