"""What a fault does to an answer that is right: to its content, and then to its bytes."""

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import msgspec

from rooms_emulator import problems
from rooms_emulator.auth.access_key import Signed
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.rules import Strike
from rooms_emulator.http import headers
from rooms_emulator.http.wire import Reply
from rooms_emulator.problems import ServiceError
from rooms_emulator.rooms.models import Collection, RoomParticipant
from rooms_emulator.rooms.operations import Answer

_GZIP: Final = 31
_FAST: Final = 1
_PIECE: Final = 1 << 20


def ordered(strike: Strike) -> Answer | ServiceError | None:
    """Make the outcome that a fault asks for by its status alone, if it does."""
    status = strike.status
    if status is None:
        return None
    if status == HTTPStatus.UNAUTHORIZED:
        return problems.denied()
    return problems.of_status(status) if status >= HTTPStatus.BAD_REQUEST else Answer(status)


def bend(outcome: Answer | ServiceError, fault: Fault, request: Signed) -> Answer | ServiceError:
    """Change what a page of a list says, if the outcome is one."""
    if isinstance(outcome, ServiceError) or not isinstance(outcome.body, Collection):
        return outcome
    page = outcome.body
    if fault.next_link is not None:
        page = msgspec.structs.replace(page, next_link=_link(fault.next_link, request))
    if fault.role is not None:
        people = [
            msgspec.structs.replace(item, role=fault.role)
            for item in page.value
            if isinstance(item, RoomParticipant)
        ]
        page = msgspec.structs.replace(page, value=people or page.value)
    return Answer(outcome.status, page, outcome.headers)


def spoil(reply: Reply, fault: Fault) -> Reply:
    """Change the body and the headers. Takes a tenth of a second where much is compressed."""
    lines, body = dict(reply.headers), reply.body
    if fault.payload is not None:
        lines.setdefault("Content-Type", headers.JSON)
        body = fault.payload
    if body is not None and fault.gzip:
        lines["Content-Encoding"] = "gzip"
        body = b"".join(_compressed(body, fault.pad or 0))
    elif body is not None and fault.pad is not None:
        body = body.ljust(fault.pad)
    return Reply(reply.status, headers.merge(lines, fault.headers), body)


def _compressed(body: bytes, size: int) -> Iterator[bytes]:
    # Never holds what it stands for, which is what makes it a bomb.
    stream = zlib.compressobj(_FAST, wbits=_GZIP)
    yield stream.compress(body)
    missing, spaces = size - len(body), b" " * _PIECE
    while missing > 0:
        yield stream.compress(spaces[:missing])
        missing -= _PIECE
    yield stream.flush()


def _link(template: str, request: Signed) -> str:
    host = request.headers.get("Host", "")
    name, colon, port = host.rpartition(":")
    path, _, query = request.target.partition("?")
    link = template
    # Not str.format: whatever else a link has in braces is its own.
    for part, text in (
        ("{host}", host),
        ("{hostname}", name if colon and port.isdigit() else host),
        ("{path}", path),
        ("{query}", query),
    ):
        link = link.replace(part, text)
    return link
