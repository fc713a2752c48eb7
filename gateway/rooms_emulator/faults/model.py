"""Model of a fault: which requests it applies to, and what it does to them."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Literal

import msgspec

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})

EVERY_OPERATION = "*"

MAX_PAD = 1 << 27
"""Largest size that a body can be padded to, in bytes: 128 MiB."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A failure to inject, and the requests to inject it into. In JSON the names are camelCase.

    The operation takes effect and only its response is changed, unless `status` or `refuse` is
    set or `drop` is `before`. Raises ValueError if a value is out of range or two values
    contradict each other.
    """

    label: str = ""
    """Name in the journal; that of a preset is the preset's name."""
    operation: str = EVERY_OPERATION
    """Operation that the fault applies to, such as `CreateRoom`; `*` is every request, even one
    that addresses no operation."""
    skip: int = 0
    """Number of matching requests to leave alone first."""
    count: int | None = 1
    """Number of requests to inject the fault into; None for no limit."""
    probability: float = 1.0
    """Probability of the fault for each matching request after `skip`."""
    latency: float = 0.0
    """Delay before anything else happens, in seconds."""
    jitter: float = 0.0
    """Upper bound of a random delay to add to `latency`, in seconds."""
    drop: Literal["before", "after"] | None = None
    """Close the connection without a response, before or after the operation takes effect."""
    reset: bool = False
    """Use a TCP reset where `drop` or `truncate` closes the connection."""
    refuse: float | None = None
    """Drop the request before its effect, close all connections, and refuse new ones for this
    time, in seconds."""
    status: int | tuple[int, ...] | None = None
    """HTTP status to respond with instead of running the operation, 200 to 599; of several, one
    is drawn. Without `body`, an error status gets the service's error envelope."""
    headers: Mapping[str, str] = {}
    """Headers to add to the response, or to replace."""
    body: str | None = None
    """Text that replaces the body, in UTF-8."""
    body_bytes: bytes | None = None
    """Bytes that replace the body; base64 in JSON."""
    pad: int | None = None
    """Size to pad the body to, in bytes, with spaces (JSON allows them at its end)."""
    gzip: bool = False
    """Send the body with `Content-Encoding: gzip`."""
    truncate: int | None = None
    """Number of bytes of the body after which the connection is closed."""
    drip: float | None = None
    """Rate at which the body is sent, in bytes per second."""
    next_link: str | None = None
    """`nextLink` to set in a page of a list. In it, `{scheme}`, `{host}`, `{hostname}` (without the
    port), `{path}` and `{query}` are replaced by those parts of the request's address."""
    role: str | None = None
    """Role to set for all participants in a page of participants."""
    clock_offset: float | None = None
    """Offset to set the emulator's clock to first, in seconds ahead of the real time."""
    keys: tuple[str, ...] | None = None
    """Access keys (base64) that replace the accepted ones first."""

    def __post_init__(self) -> None:
        for name, lowest, highest in _RANGES:
            value = getattr(self, name)
            # The negated comparison also rejects NaN.
            if value is not None and not lowest <= value <= highest:
                raise ValueError(f"{_json_name(name)} must be between {lowest} and {highest}")
        if self.drip is not None and not self.drip > 0:
            raise ValueError("drip must be more than 0 bytes per second")
        if self.drop not in {None, "before", "after"}:
            raise ValueError("drop must be 'before' or 'after'")
        if self.reset and self.drop is None and self.truncate is None:
            raise ValueError("reset requires drop or truncate")
        if self.status == () or not all(200 <= status <= 599 for status in self.statuses):  # noqa: PLR2004 - the range of HTTP statuses
            raise ValueError("status must be between 200 and 599, or a list of such statuses")
        if self.body is not None and self.body_bytes is not None:
            raise ValueError("body and bodyBytes exclude each other")
        if self.keys is not None and not (self.keys and all(map(_is_key, self.keys))):
            raise ValueError("keys must be a list of access keys, base64")
        self._check_headers()

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or _CONTROL_CHARACTER.search(value):
                raise ValueError(f"headers: {name!r} is malformed")
            if name.lower() in _FRAMING_HEADERS:
                raise ValueError(f"headers: {name} cannot be set: use truncate or drop")

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses to draw from; empty if the operation's own status stays."""
        if self.status is None:
            return ()
        return (self.status,) if isinstance(self.status, int) else self.status

    @property
    def replacement_body(self) -> bytes | None:
        """The bytes that replace the body; None if it stays."""
        return self.body_bytes if self.body is None else self.body.encode(errors="surrogatepass")


# A larger number of seconds is most likely meant as milliseconds.
_HOUR = 3600
_MAX_INT = (1 << 63) - 1
_RANGES = (
    ("skip", 0, _MAX_INT),
    ("count", 1, _MAX_INT),
    ("probability", 0, 1),
    ("latency", 0, _HOUR),
    ("jitter", 0, _HOUR),
    ("refuse", 0, _HOUR),
    ("pad", 0, MAX_PAD),
    ("truncate", 0, _MAX_INT),
    ("drip", 0, _MAX_INT),
    ("clock_offset", -1e9, 1e9),
)


def _is_key(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except ValueError:
        return False


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
