"""The gateway's RPCs as plain functions: values in, the contract's own answers out."""

from collections.abc import Iterable
from typing import TypedDict

import grpc
from acs.rooms.v1 import participants_pb2, participants_pb2_grpc, rooms_pb2, rooms_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.cli.client.inputs import Instant, Person


class Client:
    """Calls the gateway through `channel`, each call within `timeout` seconds.

    Every method raises grpc.RpcError when the call fails. None means "not given" and stays unset
    in the request.
    """

    def __init__(self, channel: grpc.Channel, timeout: float) -> None:
        self._rooms = rooms_pb2_grpc.RoomsServiceStub(channel)
        self._participants = participants_pb2_grpc.ParticipantsServiceStub(channel)
        self._timeout = timeout

    def create_room(
        self,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,  # noqa: FBT001 - unset, true and false are three answers
        participants: Iterable[Person],
        request_id: str,
    ) -> rooms_pb2.CreateRoomResponse:
        """Make a room; an empty `request_id` lets the gateway make one up."""
        request = rooms_pb2.CreateRoomRequest(
            **_window(valid_from, valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
            participants=_roster(participants),
            request_id=request_id,
        )
        return self._rooms.CreateRoom(request, timeout=self._timeout)

    def get_room(self, room_id: str) -> rooms_pb2.GetRoomResponse:
        """Read one room."""
        return self._rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id=room_id), timeout=self._timeout)

    def update_room(
        self,
        room_id: str,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,  # noqa: FBT001 - unset, true and false are three answers
    ) -> rooms_pb2.UpdateRoomResponse:
        """Change what is given and leave what is None."""
        request = rooms_pb2.UpdateRoomRequest(
            room_id=room_id,
            **_window(valid_from, valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
        )
        return self._rooms.UpdateRoom(request, timeout=self._timeout)

    def delete_room(self, room_id: str) -> rooms_pb2.DeleteRoomResponse:
        """Delete a room for good."""
        return self._rooms.DeleteRoom(
            rooms_pb2.DeleteRoomRequest(room_id=room_id), timeout=self._timeout
        )

    def list_rooms(self, page_token: str, max_pages: int) -> Iterable[rooms_pb2.ListRoomsResponse]:
        """Stream pages of rooms; 0 pages means all."""
        request = rooms_pb2.ListRoomsRequest(page_token=page_token, max_pages=max_pages)
        return self._rooms.ListRooms(request, timeout=self._timeout)

    def upsert_participants(
        self, room_id: str, participants: Iterable[Person]
    ) -> participants_pb2.UpsertParticipantsResponse:
        """Put people on a roster, or change their roles."""
        request = participants_pb2.UpsertParticipantsRequest(
            room_id=room_id, participants=_roster(participants)
        )
        return self._participants.UpsertParticipants(request, timeout=self._timeout)

    def remove_participants(
        self, room_id: str, raw_ids: Iterable[str]
    ) -> participants_pb2.RemoveParticipantsResponse:
        """Take people off a roster."""
        request = participants_pb2.RemoveParticipantsRequest(room_id=room_id, raw_ids=raw_ids)
        return self._participants.RemoveParticipants(request, timeout=self._timeout)

    def update_participants(
        self, room_id: str, upsert: Iterable[Person], remove: Iterable[str]
    ) -> participants_pb2.UpdateParticipantsResponse:
        """Do both in one atomic step."""
        request = participants_pb2.UpdateParticipantsRequest(
            room_id=room_id, upsert=_roster(upsert), remove=remove
        )
        return self._participants.UpdateParticipants(request, timeout=self._timeout)

    def list_participants(
        self, room_id: str, page_token: str, max_pages: int
    ) -> Iterable[participants_pb2.ListParticipantsResponse]:
        """Stream pages of a roster; 0 pages means all."""
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


def _roster(people: Iterable[Person]) -> list[participants_pb2.Participant]:
    return [
        participants_pb2.Participant(
            raw_id=raw_id,
            role=participants_pb2.Role.Value(f"ROLE_{(role or 'unspecified').upper()}"),
        )
        for raw_id, role in people
    ]
