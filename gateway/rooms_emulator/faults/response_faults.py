"""Faults of the response: its status, its content, and its bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

import msgspec

from rooms_emulator import problems
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.rules import InjectedFault
from rooms_emulator.http import headers
from rooms_emulator.http.messages import EncodedResponse, Outcome, RawRequest, Response
from rooms_emulator.http.origins import without_port
from rooms_emulator.problems import ServiceError
from rooms_emulator.rooms.models import Collection, RoomParticipant

_GZIP_FORMAT = 31
_FASTEST = 1
_CHUNK = 1 << 20


def forced_outcome(injected: InjectedFault) -> Outcome | None:
    """Return the outcome that a fault forces by its status; None if the operation is to run."""
    status = injected.status
    if status is None:
        return None
    if status == HTTPStatus.UNAUTHORIZED:
        return problems.denied()
    return problems.of_status(status) if status >= HTTPStatus.BAD_REQUEST else Response(status)


def change_page(outcome: Outcome, fault: Fault, request: RawRequest) -> Outcome:
    """Change the link and the roles of a page; return any other outcome unchanged."""
    if isinstance(outcome, ServiceError) or not isinstance(outcome.body, Collection):
        return outcome
    page = outcome.body
    if fault.next_link is not None:
        page = msgspec.structs.replace(page, next_link=_link(fault.next_link, request))
    if fault.role is not None:
        participants = [
            msgspec.structs.replace(item, role=fault.role)
            for item in page.value
            if isinstance(item, RoomParticipant)
        ]
        page = msgspec.structs.replace(page, value=participants or page.value)
    return Response(outcome.status, page, outcome.headers)


def change_encoded(encoded: EncodedResponse, fault: Fault) -> EncodedResponse:
    """Change the body and the headers. Compressing a large body takes a tenth of a second."""
    lines, body = dict(encoded.headers), encoded.body
    if fault.replacement_body is not None:
        lines.setdefault("Content-Type", headers.JSON)
        body = fault.replacement_body
    if body is not None and fault.gzip:
        lines["Content-Encoding"] = "gzip"
        body = b"".join(_compressed(body, fault.pad or 0))
    elif body is not None and fault.pad is not None:
        body = body.ljust(fault.pad)
    return replace(encoded, headers=headers.merge(lines, fault.headers), body=body)


def _compressed(body: bytes, size: int) -> Iterator[bytes]:
    # In chunks, so that the 100 MB of a gzip bomb are never in memory at once.
    stream = zlib.compressobj(_FASTEST, wbits=_GZIP_FORMAT)
    yield stream.compress(body)
    missing, spaces = size - len(body), b" " * _CHUNK
    while missing > 0:
        yield stream.compress(spaces[:missing])
        missing -= _CHUNK
    yield stream.flush()


def _link(template: str, request: RawRequest) -> str:
    scheme, _, host = request.origin.partition("://")
    path, _, query = request.target.partition("?")
    link = template
    # Not str.format, which fails on any other braces in the link.
    for placeholder, text in (
        ("{scheme}", scheme),
        ("{host}", host),
        ("{hostname}", without_port(host)),
        ("{path}", path),
        ("{query}", query),
    ):
        link = link.replace(placeholder, text)
    return link
