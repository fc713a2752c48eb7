"""Lines of the access log: one for each request, without credentials and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import click
import msgspec

from rooms_emulator.journal import JournalEntry, without_secrets

_MAX_LENGTH = 200
_ELLIPSIS = "…"


class Access(msgspec.Struct, frozen=True, tag_field="event", tag="request"):
    """One request and its outcome."""

    time: str
    """Real time of arrival, in RFC 3339."""
    method: str
    target: str
    """Request target; only `api-version` has its value."""
    status: int | None
    """HTTP status of the response; None if there was none."""
    milliseconds: float
    """Time until the response was ready to send, in milliseconds."""
    operation: str = ""
    """Operation that the request addresses; empty for the control API and unknown paths."""
    fault: str | None = None
    """Label of the fault that was injected, or else the id of its rule."""
    quota: str | None = None
    """Quota that rejected the request."""

    @classmethod
    def of(
        cls,
        entry: JournalEntry | None,
        method: str,
        target: str,
        *,
        status: int | None,
        seconds: float,
    ) -> Access:
        """Return the line of a request that took `seconds`; the control API has no `entry`."""
        received = datetime.now(UTC) - timedelta(seconds=seconds)
        time = received.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = (time, _escaped(method), shown_target(target), status, round(seconds * 1000, 1))
        if entry is None:
            return cls(*shown)
        injected = entry.fault
        fault = None
        if injected is not None:
            fault = _escaped(injected.fault.label) or f"#{injected.id}"
        return cls(*shown, entry.operation, fault, entry.quota)

    def text(self, *, color: bool) -> str:
        """Return the line for a reader."""
        status = str(self.status or "-")
        parts = [
            self.time,
            click.style(status, fg=_color(self.status)) if color else status,
            self.method,
            self.target,
            self.operation,
            f"{self.milliseconds:g}ms",
            f"fault={self.fault}" if self.fault else "",
            f"quota={self.quota}" if self.quota else "",
        ]
        return " ".join(filter(None, parts))


def shown_target(target: str) -> str:
    """Return a request target without secrets, as printable text of limited length."""
    text = without_secrets(target.encode(errors="surrogateescape"))
    path, mark, query = text.partition("?")
    return _escaped(_shortened(path) + mark + "&".join(map(_shown_parameter, query.split("&"))))


def _shown_parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if name == "api-version":
        return f"{name}={_shortened(value)}"
    return f"{name}={_ELLIPSIS}" if name == "nextLink" else _ELLIPSIS if parameter else ""


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + _ELLIPSIS


def _escaped(text: str) -> str:
    """Return `text` without line breaks and control characters."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _color(status: int | None) -> str:
    if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "red"
    return "yellow" if status >= HTTPStatus.BAD_REQUEST else "green"
