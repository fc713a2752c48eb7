"""Faults to order: rules that make chosen requests fail, for tests of those who call the service.

The rules stand in a list. Each request goes down the list; the first rule that applies to its
operation, has skipped as many requests as it should and is not used up strikes, and only that one.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_LOWEST_STATUS: Final = 200
_HIGHEST_STATUS: Final = 599
# Who orders more has most likely meant milliseconds.
_LONGEST_LATENCY: Final = 3600

EVERY: Final = "*"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What goes wrong, for which requests. The same members in JSON have camelCase names.

    Unless there is a ``status``, or ``drop`` is ``before``, the operation takes effect and only its
    answer is hurt.

    Attributes:
        operation: the operation to strike, such as ``CreateRoom``; ``*`` is every request, also
            one that leads to no operation.
        skip: how many matching requests to let pass first.
        count: how many requests to strike; ``None`` is without end.
        latency: seconds to wait before anything else happens.
        drop: close the connection without an answer, ``before`` or ``after`` the operation took
            effect.
        status: answer with this HTTP status (200 to 599) and do nothing. Without a body, an error
            status gets the service's envelope with the code of the status.
        headers: headers to add to the answer, or to put in the place of its own.
        body: a text to send, in UTF-8, in the place of the answer's body.
        body_bytes: bytes to send in its place; base64 in JSON.
        truncate: close the connection after so many bytes of the body.
        next_link: the ``nextLink`` to put into the answer, if it is a page of a list.

    Raises:
        ValueError: an attribute is out of its range, or two contradict each other.

    """

    operation: str = EVERY
    skip: int = 0
    count: int | None = 1
    latency: float = 0.0
    drop: Literal["before", "after"] | None = None
    status: int | None = None
    headers: Mapping[str, str] = {}
    body: str | None = None
    body_bytes: bytes | None = None
    truncate: int | None = None
    next_link: str | None = None

    def __post_init__(self) -> None:
        if self.skip < 0 or (self.truncate or 0) < 0 or (self.count is not None and self.count < 1):
            raise ValueError("skip and truncate must not be negative, and count at least 1")
        if not 0 <= self.latency <= _LONGEST_LATENCY:
            raise ValueError("latency must be between 0 and 3600 seconds")
        if self.drop not in {None, "before", "after"}:
            raise ValueError("drop must be 'before' or 'after'")
        if self.status is not None and not _LOWEST_STATUS <= self.status <= _HIGHEST_STATUS:
            raise ValueError("status must be between 200 and 599")
        if self.body is not None and self.body_bytes is not None:
            raise ValueError("body and bodyBytes exclude each other")
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name) or _CONTROL_CHARACTER.search(value):
                raise ValueError(f"the header {name!r} cannot be sent")
            if name.lower() in _FRAMING:
                raise ValueError(f"{name} is not a fault's to set; see truncate and drop")

    @property
    def payload(self) -> bytes | None:
        """What to send in the place of the body, if anything."""
        return self.body_bytes if self.body is None else self.body.encode(errors="surrogatepass")


class Rule(msgspec.Struct, rename="camel"):
    """A fault in the list, and how often it has matched and struck so far."""

    id: int
    fault: Fault
    matched: int = 0
    struck: int = 0


class Faults:
    """The list of rules.

    Args:
        operations: the operations that there are.

    """

    def __init__(self, operations: tuple[str, ...]) -> None:
        self._operations = operations
        self._rules: list[Rule] = []
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        """Put a fault at the end of the list.

        Returns:
            The id of the rule.

        Raises:
            ValueError: there is no such operation.

        """
        if fault.operation not in (EVERY, *self._operations):
            known = ", ".join(self._operations)
            raise ValueError(f"no operation {fault.operation!r}; there are {known} and {EVERY}")
        self._last_id += 1
        self._rules.append(Rule(self._last_id, fault))
        return self._last_id

    def list(self) -> tuple[Rule, ...]:
        """Give the rules in their order, used up ones too."""
        return tuple(self._rules)

    def clear(self) -> None:
        """Remove every rule."""
        self._rules.clear()

    def strike(self, operation: str) -> Fault | None:
        """Count a request of this operation, and give the fault that strikes it, if any."""
        for rule in self._rules:
            fault = rule.fault
            if fault.operation not in (EVERY, operation):
                continue
            if fault.count is not None and rule.struck >= fault.count:
                continue
            rule.matched += 1
            if rule.matched > fault.skip:
                rule.struck += 1
                return fault
        return None
