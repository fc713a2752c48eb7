"""The floor: a minimal gateway in plain Python.

It uses grpc.aio, `aiohttp.ClientSession`, `json`, protobuf's `FromJsonString` and uvloop. It does
not validate, sign, retry, log or count, and it does not map errors.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import grpc
from acs.rooms.v1 import (
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)

from benchmarks.speed.arms.serving import API_VERSION, main

QUERY = f"?api-version={API_VERSION}"
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
ROLES = {
    participants_pb2.PARTICIPANT_ROLE_PRESENTER: "Presenter",
    participants_pb2.PARTICIPANT_ROLE_ATTENDEE: "Attendee",
    participants_pb2.PARTICIPANT_ROLE_CONSUMER: "Consumer",
    participants_pb2.PARTICIPANT_ROLE_COLLABORATOR: "Collaborator",
}


def _room(body: Any) -> rooms_pb2.Room:
    room = rooms_pb2.Room(id=body["id"], pstn_dial_out_enabled=body["pstnDialOutEnabled"])
    room.created_at.FromJsonString(body["createdAt"])
    room.valid_from.FromJsonString(body["validFrom"])
    room.valid_until.FromJsonString(body["validUntil"])
    return room


def _roster(participants: Iterable[participants_pb2.Participant]) -> dict[str, dict[str, str]]:
    return {each.raw_id: {"role": ROLES[each.role]} for each in participants}


class _Rooms(rooms_service_pb2_grpc.RoomsServiceServicer):
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def GetRoom(
        self, request: rooms_pb2.GetRoomRequest, context: Any
    ) -> rooms_pb2.GetRoomResponse:
        async with self._session.get(f"/rooms/{request.room_id}{QUERY}") as response:
            body = json.loads(await response.read())
        return rooms_pb2.GetRoomResponse(room=_room(body))

    async def CreateRoom(
        self, request: rooms_pb2.CreateRoomRequest, context: Any
    ) -> rooms_pb2.CreateRoomResponse:
        content = json.dumps({"participants": _roster(request.participants)}).encode()
        headers = {"Content-Type": "application/json"}
        async with self._session.post(f"/rooms{QUERY}", data=content, headers=headers) as response:
            body = json.loads(await response.read())
        return rooms_pb2.CreateRoomResponse(room=_room(body))

    async def ListRooms(
        self,
        request: rooms_pb2.ListRoomsRequest,
        context: Any,
    ) -> AsyncIterator[rooms_pb2.ListRoomsResponse]:
        link = f"/rooms{QUERY}"
        while link:
            async with self._session.get(link) as response:
                body = json.loads(await response.read())
            for room in body["value"]:
                yield rooms_pb2.ListRoomsResponse(rooms=[_room(room)])
            link = body.get("nextLink")


class _Participants(participants_service_pb2_grpc.ParticipantsServiceServicer):
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def UpsertParticipants(
        self, request: participants_pb2.UpsertParticipantsRequest, context: Any
    ) -> participants_pb2.UpsertParticipantsResponse:
        content = json.dumps({"participants": _roster(request.participants)}).encode()
        path = f"/rooms/{request.room_id}/participants{QUERY}"
        async with self._session.patch(path, data=content, headers=MERGE_PATCH) as response:
            await response.read()
        return participants_pb2.UpsertParticipantsResponse()


async def _add(server: grpc.aio.Server, upstream: str) -> None:
    # aiohttp does not read SSL_CERT_FILE unless a context is created with it.
    trusted = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    session = aiohttp.ClientSession(
        upstream, connector=aiohttp.TCPConnector(limit=0, ssl=trusted), raise_for_status=True
    )
    rooms_service_pb2_grpc.add_RoomsServiceServicer_to_server(
        _Rooms(session),  # type: ignore[abstract] # only the measured RPCs
        server,
    )
    participants_service_pb2_grpc.add_ParticipantsServiceServicer_to_server(
        _Participants(session),  # type: ignore[abstract] # only the measured RPCs
        server,
    )


if __name__ == "__main__":
    main(_add)
