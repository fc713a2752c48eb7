"""A simple gateway to compare with: the same contract over Microsoft's Python client.

It is what a competent developer writes in an afternoon: asynchronous, one client for all calls,
errors mapped by a table, a graceful shutdown. Run it with
`COMMUNICATION_CONNECTION_STRING=… python -m benchmarks.naive 127.0.0.1:50051`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC
from functools import wraps
from typing import Any

import grpc
from acs.rooms.v1 import (
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)
from azure.communication.rooms import RoomParticipant, UnknownIdentifier
from azure.communication.rooms.aio import RoomsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.ALREADY_EXISTS,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
}
ROLES = {1: "Presenter", 2: "Attendee", 3: "Consumer", 4: "Collaborator"}
ROLE_NUMBERS = {name: number for number, name in ROLES.items()}


def unary(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Map exceptions of the client to a status."""

    @wraps(handler)
    async def wrapped(self: Any, request: Any, context: Any) -> Any:
        try:
            return await handler(self, request)
        except AzureError as error:
            await context.abort(code_of(error), str(error))

    return wrapped


def stream(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Map exceptions of the client to a status, for streams."""

    @wraps(handler)
    async def wrapped(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for page in handler(self, request):
                yield page
        except AzureError as error:
            await context.abort(code_of(error), str(error))

    return wrapped


def code_of(error: AzureError) -> grpc.StatusCode:
    """Return the code for an error; without an HTTP status, the upstream was not reached."""
    return CODES.get(getattr(error, "status_code", None) or 503, grpc.StatusCode.UNAVAILABLE)


def to_room(room: Any) -> rooms_pb2.Room:
    """Convert a room of the client; its times are strings, in spite of its type hints."""
    message = rooms_pb2.Room(id=room.id, pstn_dial_out_enabled=room.pstn_dial_out_enabled)
    for name in ("created_at", "valid_from", "valid_until"):
        getattr(message, name).FromJsonString(getattr(room, name))
    return message


def to_participants(participants: Any) -> list[RoomParticipant]:
    """Convert participants of a request."""
    return [
        RoomParticipant(
            communication_identifier=UnknownIdentifier(participant.raw_id),
            role=ROLES.get(participant.role, "Attendee"),
        )
        for participant in participants
    ]


def given(request: Any, *names: str) -> dict[str, Any]:
    """Return the fields of a request that are set, as arguments of the client."""
    values = {name: getattr(request, name) for name in names if request.HasField(name)}
    return {k: v.ToDatetime(UTC) if hasattr(v, "ToDatetime") else v for k, v in values.items()}


class Rooms(rooms_service_pb2_grpc.RoomsServiceServicer):
    """RoomsService."""

    def __init__(self, client: RoomsClient) -> None:
        self._client = client

    @unary
    async def CreateRoom(self, request: Any) -> Any:
        """Create a room."""
        room = await self._client.create_room(
            participants=to_participants(request.participants),
            **given(request, "valid_from", "valid_until", "pstn_dial_out_enabled"),
        )
        return rooms_pb2.CreateRoomResponse(room=to_room(room))

    @unary
    async def GetRoom(self, request: Any) -> Any:
        """Read a room."""
        return rooms_pb2.GetRoomResponse(room=to_room(await self._client.get_room(request.room_id)))

    @unary
    async def UpdateRoom(self, request: Any) -> Any:
        """Change a room."""
        changes = given(request, "valid_from", "valid_until", "pstn_dial_out_enabled")
        room = await self._client.update_room(room_id=request.room_id, **changes)
        return rooms_pb2.UpdateRoomResponse(room=to_room(room))

    @unary
    async def DeleteRoom(self, request: Any) -> Any:
        """Delete a room."""
        await self._client.delete_room(request.room_id)
        return rooms_pb2.DeleteRoomResponse()

    @stream
    async def ListRooms(self, request: Any) -> AsyncIterator[Any]:
        """List, one message per page."""
        pages = self._client.list_rooms().by_page(request.page_token or None)
        async for page in pages:
            rooms = [to_room(room) async for room in page]
            token = pages.continuation_token or ""  # type: ignore[attr-defined]
            yield rooms_pb2.ListRoomsResponse(rooms=rooms, next_page_token=token)


class Participants(participants_service_pb2_grpc.ParticipantsServiceServicer):
    """ParticipantsService."""

    def __init__(self, client: RoomsClient) -> None:
        self._client = client

    @unary
    async def UpsertParticipants(self, request: Any) -> Any:
        """Add or change participants."""
        await self._client.add_or_update_participants(
            room_id=request.room_id, participants=to_participants(request.participants)
        )
        return participants_pb2.UpsertParticipantsResponse()

    @unary
    async def RemoveParticipants(self, request: Any) -> Any:
        """Remove participants."""
        identifiers: Any = [UnknownIdentifier(raw_id) for raw_id in request.remove_raw_ids]
        await self._client.remove_participants(room_id=request.room_id, participants=identifiers)
        return participants_pb2.RemoveParticipantsResponse()

    @unary
    async def UpdateParticipants(self, request: Any) -> Any:
        """Add or change participants, then remove others."""
        if request.participants:
            await self._client.add_or_update_participants(
                room_id=request.room_id, participants=to_participants(request.participants)
            )
        if request.remove_raw_ids:
            identifiers: Any = [UnknownIdentifier(raw_id) for raw_id in request.remove_raw_ids]
            await self._client.remove_participants(
                room_id=request.room_id, participants=identifiers
            )
        return participants_pb2.UpdateParticipantsResponse()

    @stream
    async def ListParticipants(self, request: Any) -> AsyncIterator[Any]:
        """List, one message per page."""
        pages = self._client.list_participants(request.room_id).by_page(request.page_token or None)
        async for page in pages:
            participants = [
                participants_pb2.Participant(
                    raw_id=participant.communication_identifier.raw_id,
                    role=ROLE_NUMBERS[participant.role],  # type: ignore[arg-type]
                )
                async for participant in page
            ]
            token = pages.continuation_token or ""  # type: ignore[attr-defined]
            yield participants_pb2.ListParticipantsResponse(
                participants=participants, next_page_token=token
            )


async def main(address: str, connection_string: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    # Not from_connection_string, which requires https. The api-version is plain text, because the
    # default of the client breaks its links to second pages under Python 3.11.
    parts = dict(part.split("=", 1) for part in connection_string.split(";"))
    key = AzureKeyCredential(parts["accesskey"])
    client = RoomsClient(parts["endpoint"], key, api_version="2025-03-13")
    async with client:
        server = grpc.aio.server()
        # Without the RPCs that no method of the client corresponds to.
        rooms = Rooms(client)  # type: ignore[abstract]
        participants = Participants(client)  # type: ignore[abstract]
        rooms_service_pb2_grpc.add_RoomsServiceServicer_to_server(rooms, server)
        participants_service_pb2_grpc.add_ParticipantsServiceServicer_to_server(
            participants, server
        )
        port = server.add_insecure_port(address)
        await server.start()
        print(f"naive gateway is ready on {address.rpartition(':')[0]}:{port}", flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await server.stop(10)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], os.environ["COMMUNICATION_CONNECTION_STRING"]))
