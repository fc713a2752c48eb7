"""What can be ordered to go wrong with a request, for tests of those who call the service."""

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})

EVERY: Final = "*"

LARGEST_PAD: Final = 1 << 27
"""Bytes that a body can be filled up to: 128 MiB."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What goes wrong, for which requests. The same members in JSON have camelCase names.

    Unless there is a ``status`` or ``refuse``, or ``drop`` is ``before``, the operation takes
    effect and only its answer is hurt.

    Attributes:
        label: what the journal calls it; that of a preset is its name.
        operation: the operation to strike, such as ``CreateRoom``; ``*`` is every request, also
            one that leads to no operation.
        skip: how many matching requests to let pass first.
        count: how many requests to strike; ``None`` is without end.
        probability: how likely it is to strike each of the requests after those.
        latency: seconds to wait before anything else happens.
        jitter: up to so many seconds more, drawn for each request.
        drop: close the connection without an answer, ``before`` or ``after`` the operation took
            effect.
        reset: close it with a TCP reset, where ``drop`` or ``truncate`` close it.
        refuse: drop before the effect, close all connections, and accept no new ones for so many
            seconds.
        status: answer with this HTTP status (200 to 599), or with one drawn of several, and do
            nothing. Without a body, an error status gets the service's envelope with its code.
        headers: headers to add to the answer, or to put in the place of its own.
        body: a text to send, in UTF-8, in the place of the answer's body.
        body_bytes: bytes to send in its place; base64 in JSON.
        pad: fill the body up to so many bytes, with spaces, which JSON allows at its end.
        gzip: send the body compressed, and say so.
        truncate: close the connection after so many bytes of the body.
        drip: send so many bytes of the body a second.
        next_link: the ``nextLink`` to put into the answer, if it is a page of a list. In it,
            ``{host}``, ``{hostname}`` (without the port), ``{path}`` and ``{query}`` stand for
            those parts of the address that was called.
        role: the role to give everybody in the answer, if it is a page of participants.
        clock_offset: first set the emulator's clock so many seconds ahead of the real time.
        keys: first let the emulator accept these access keys (base64) instead of those before.

    Raises:
        ValueError: an attribute is out of its range, or two contradict each other.

    """

    label: str = ""
    operation: str = EVERY
    skip: int = 0
    count: int | None = 1
    probability: float = 1.0
    latency: float = 0.0
    jitter: float = 0.0
    drop: Literal["before", "after"] | None = None
    reset: bool = False
    refuse: float | None = None
    status: int | tuple[int, ...] | None = None
    headers: Mapping[str, str] = {}
    body: str | None = None
    body_bytes: bytes | None = None
    pad: int | None = None
    gzip: bool = False
    truncate: int | None = None
    drip: float | None = None
    next_link: str | None = None
    role: str | None = None
    clock_offset: float | None = None
    keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, lowest, highest in _RANGES:
            given = getattr(self, name)
            # Written so that what is not a number is outside of every range.
            if given is not None and not lowest <= given <= highest:
                raise ValueError(f"{_json_name(name)} must be between {lowest} and {highest}")
        if self.drip is not None and not self.drip > 0:
            raise ValueError("drip must be more than 0 bytes a second")
        if self.drop not in {None, "before", "after"}:
            raise ValueError("drop must be 'before' or 'after'")
        if self.reset and self.drop is None and self.truncate is None:
            raise ValueError("reset says how a connection is closed: give drop or truncate too")
        if self.status == () or not all(200 <= status <= 599 for status in self.statuses):  # noqa: PLR2004
            raise ValueError("status must be between 200 and 599, or a list of such")
        if self.body is not None and self.body_bytes is not None:
            raise ValueError("body and bodyBytes exclude each other")
        if self.keys is not None and not (self.keys and all(map(_is_key, self.keys))):
            raise ValueError("keys must hold an access key, base64")
        self._check_headers()

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name) or _CONTROL_CHARACTER.search(value):
                raise ValueError(f"headers: {name!r} cannot be sent")
            if name.lower() in _FRAMING:
                raise ValueError(f"headers: {name} is not a fault's to set; see truncate and drop")

    @property
    def statuses(self) -> tuple[int, ...]:
        """What it may answer with; none if the operation's own status stays."""
        if self.status is None:
            return ()
        return (self.status,) if isinstance(self.status, int) else self.status

    @property
    def payload(self) -> bytes | None:
        """What to send in the place of the body, if anything."""
        return self.body_bytes if self.body is None else self.body.encode(errors="surrogatepass")


# Who orders more than an hour has most likely meant milliseconds.
_HOUR: Final = 3600
_MANY: Final = (1 << 63) - 1
_RANGES: Final = (
    ("skip", 0, _MANY),
    ("count", 1, _MANY),
    ("probability", 0, 1),
    ("latency", 0, _HOUR),
    ("jitter", 0, _HOUR),
    ("refuse", 0, _HOUR),
    ("pad", 0, LARGEST_PAD),
    ("truncate", 0, _MANY),
    ("drip", 0, _MANY),
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
