"""The RPCs of the gateway as methods with plain arguments that return the contract's responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import grpc
from acs.rooms.v1 import (
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.cli.client.inputs import Instant, Participant


class Client:
    """Calls the gateway through `channel`; `timeout` is that of each call, in seconds.

    Every method raises grpc.RpcError if the call fails. An argument that is None leaves its field
    unset in the request.
    """

    def __init__(self, channel: grpc.Channel, timeout: float) -> None:
        self._rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        self._participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)
        self._timeout = timeout

    def create_room(
        self,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,
        participants: Iterable[Participant],
        request_id: str,
    ) -> rooms_pb2.CreateRoomResponse:
        """Create a room; the gateway generates a `request_id` if it is empty."""
        request = rooms_pb2.CreateRoomRequest(
            **_window(valid_from, valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
            participants=_roster(participants),
            request_id=request_id,
        )
        return self._rooms.CreateRoom(request, timeout=self._timeout)

    def get_room(self, room_id: str) -> rooms_pb2.GetRoomResponse:
        """Get a room."""
        return self._rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id=room_id), timeout=self._timeout)

    def update_room(
        self,
        room_id: str,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,
    ) -> rooms_pb2.UpdateRoomResponse:
        """Update the fields of a room; an argument of None leaves its field."""
        request = rooms_pb2.UpdateRoomRequest(
            room_id=room_id,
            **_window(valid_from, valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
        )
        return self._rooms.UpdateRoom(request, timeout=self._timeout)

    def delete_room(self, room_id: str) -> rooms_pb2.DeleteRoomResponse:
        """Delete a room, irreversibly."""
        return self._rooms.DeleteRoom(
            rooms_pb2.DeleteRoomRequest(room_id=room_id), timeout=self._timeout
        )

    def list_rooms(self, page_token: str, max_pages: int) -> Iterable[rooms_pb2.ListRoomsResponse]:
        """Stream pages of rooms; 0 for `max_pages` streams all."""
        request = rooms_pb2.ListRoomsRequest(page_token=page_token, max_pages=max_pages)
        return self._rooms.ListRooms(request, timeout=self._timeout)

    def upsert_participants(
        self, room_id: str, participants: Iterable[Participant]
    ) -> participants_pb2.UpsertParticipantsResponse:
        """Add participants to a roster, or change their roles."""
        request = participants_pb2.UpsertParticipantsRequest(
            room_id=room_id, participants=_roster(participants)
        )
        return self._participants.UpsertParticipants(request, timeout=self._timeout)

    def remove_participants(
        self, room_id: str, raw_ids: Iterable[str]
    ) -> participants_pb2.RemoveParticipantsResponse:
        """Remove participants from a roster."""
        request = participants_pb2.RemoveParticipantsRequest(
            room_id=room_id, remove_raw_ids=raw_ids
        )
        return self._participants.RemoveParticipants(request, timeout=self._timeout)

    def update_participants(
        self, room_id: str, upsert: Iterable[Participant], remove: Iterable[str]
    ) -> participants_pb2.UpdateParticipantsResponse:
        """Add, change and remove participants in one atomic request."""
        request = participants_pb2.UpdateParticipantsRequest(
            room_id=room_id, participants=_roster(upsert), remove_raw_ids=remove
        )
        return self._participants.UpdateParticipants(request, timeout=self._timeout)

    def list_participants(
        self, room_id: str, page_token: str, max_pages: int
    ) -> Iterable[participants_pb2.ListParticipantsResponse]:
        """Stream pages of a roster; 0 for `max_pages` streams all."""
        request = participants_pb2.ListParticipantsRequest(
            room_id=room_id, page_token=page_token, max_pages=max_pages
        )
        return self._participants.ListParticipants(request, timeout=self._timeout)


class _Window(TypedDict):
    valid_from: Timestamp | None
    valid_until: Timestamp | None


def _window(valid_from: Instant | None, valid_until: Instant | None) -> _Window:
    return {"valid_from": _timestamp(valid_from), "valid_until": _timestamp(valid_until)}


def _timestamp(instant: Instant | None) -> Timestamp | None:
    return instant and Timestamp(seconds=instant.seconds, nanos=instant.nanos)


def _roster(participants: Iterable[Participant]) -> list[participants_pb2.Participant]:
    return [
        participants_pb2.Participant(
            raw_id=raw_id,
            role=participants_pb2.ParticipantRole.Value(
                f"PARTICIPANT_ROLE_{(role or 'unspecified').upper()}"
            ),
        )
        for raw_id, role in participants
    ]
