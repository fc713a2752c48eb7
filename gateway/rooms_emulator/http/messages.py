"""Requests and responses, as values that the layers above aiohttp exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl

from msgspec import Struct

from rooms_emulator.http.origins import without_port
from rooms_emulator.problems import ServiceError


class RawRequest(NamedTuple):
    """A request as received, neither decoded nor normalized: a signature covers these bytes."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    origin: str = ""
    """Scheme, host and port that the client used, such as `https://localhost:8125`."""

    @property
    def query(self) -> dict[str, str]:
        """The decoded query parameters; the last one wins if a name is repeated."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def url(self) -> str:
        """The absolute address, without the query."""
        return f"{self.origin}{self.target.partition('?')[0]}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that a signature may cover.

        `Host`, and behind a proxy that of `origin`, which clients may sign without its port.
        """
        received, used = self.headers.get("Host", ""), self.origin.partition("://")[2]
        if used in ("", received):
            return (received,)
        return received, used, without_port(used)

    @property
    def media_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty if not given."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Response:
    """The response of an operation, before it is encoded."""

    status: int
    body: Struct | None = None
    """Content to encode as JSON; None for a response without a body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of this response in addition to the common ones."""


Outcome = Response | ServiceError
"""What a request leads to."""


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response ready to send."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """None for a response without a body, and so without `Content-Type`."""
    chunked: bool = True
    """Whether HTTP/1.1 frames the body in chunks, not with `Content-Length`."""
