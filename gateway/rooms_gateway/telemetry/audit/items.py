"""The audit of single items of a bulk stream, and one that does nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from rooms_gateway.call import Call

Request = TypeVar("Request", bound="Message")
Response = TypeVar("Response", bound="Message")


class ItemAudit(Protocol):
    """Audits the items of one bulk stream."""

    async def item(
        self,
        behavior: Callable[[Request, Call], Awaitable[Response]],
        request: Request,
        call: Call,
    ) -> Response:
        """Await `behavior(request, call)` for one item, and write its line.

        `request` is the message of the unary RPC, such as CreateRoomRequest, and `call` that of the
        item: its attempts, its upstream's id and its `dry_run` are in the line. Raises
        AuditLogUnavailableError before `behavior` runs, and what `behavior` raises.
        """
        ...


class _NoAudit:
    async def item(
        self,
        behavior: Callable[[Request, Call], Awaitable[Response]],
        request: Request,
        call: Call,
    ) -> Response:
        return await behavior(request, call)


NO_AUDIT: ItemAudit = _NoAudit()
"""Default; used without `--audit-log`."""
