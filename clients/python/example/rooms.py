from __future__ import annotations

import sys
import uuid
from importlib.resources import files
from pathlib import Path

import grpc
from acs.rooms.v1 import participants_pb2, rooms_pb2, rooms_service_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

OPTIONS = [("grpc.service_config", (files("acs") / "service_config.json").read_text())]


def connect(target: str, ca_file: str | None) -> grpc.Channel:
    """Connect to a `host:port`, a `dns:///host:port` or a Unix socket, `unix:/path`."""
    if ca_file is None:
        return grpc.insecure_channel(target, OPTIONS)
    tls = grpc.ssl_channel_credentials(Path(ca_file).read_bytes())
    return grpc.secure_channel(target, tls, OPTIONS)


def reason(error: grpc.RpcError) -> str:
    """Return the reason of a failed call; empty if the gateway did not send the status."""
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    for entry in error.trailing_metadata() or ():
        if entry.key == "grpc-status-details-bin":
            status.ParseFromString(entry.value)
    for detail in status.details:
        detail.Unpack(info)
    return info.reason


def count_rooms(rooms: rooms_service_pb2_grpc.RoomsServiceStub) -> int:
    """Read the first page, then resume after it."""
    [first] = rooms.ListRooms(rooms_pb2.ListRoomsRequest(max_pages=1), timeout=60)
    count = len(first.rooms)
    if first.next_page_token:
        rest = rooms_pb2.ListRoomsRequest(page_token=first.next_page_token)
        count += sum(len(page.rooms) for page in rooms.ListRooms(rest, timeout=60))
    return count


def main(target: str = "127.0.0.1:50051", ca_file: str | None = None) -> None:
    """Create, list and delete a room."""
    with connect(target, ca_file) as channel:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)

        valid_until = Timestamp()
        valid_until.GetCurrentTime()
        valid_until.seconds += 3600
        presenter = participants_pb2.Participant(
            raw_id="8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464",
            role=participants_pb2.PARTICIPANT_ROLE_PRESENTER,
        )
        create = rooms_pb2.CreateRoomRequest(
            request_id=str(uuid.uuid4()), valid_until=valid_until, participants=[presenter]
        )
        room = rooms.CreateRoom(create, timeout=10).room
        print("created", room.id)

        print("listed", count_rooms(rooms), "rooms")

        try:
            rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id="99400000000000000"), timeout=10)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            print("not found:", reason(error))

        update = rooms_pb2.UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=False)
        try:
            rooms.UpdateRoom(update, timeout=0.5)
            print("updated")
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            print("deadline exceeded")

        rooms.DeleteRoom(
            rooms_pb2.DeleteRoomRequest(room_id=room.id, allow_missing=True), timeout=10
        )
        print("deleted")


if __name__ == "__main__":
    main(*sys.argv[1:])
