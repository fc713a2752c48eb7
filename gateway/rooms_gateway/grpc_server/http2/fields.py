"""Rules of HTTP/2 for header fields (RFC 9113, 8.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rooms_gateway.grpc_server.http2.hpack import Field

NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
VALUE = re.compile(rb"[^\0\r\n]*")
"""Space at the ends is tolerated, as gRPC's specification of metadata allows."""


class MalformedError(Exception):
    """A request that breaks the rules of HTTP/2 (8.1.1)."""


def check_trailers(fields: Iterable[Field]) -> None:
    """Raise MalformedError unless `fields` may end a request."""
    for name, value in fields:
        if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
            raise MalformedError
