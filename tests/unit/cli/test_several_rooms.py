"""`rooms get` and `rooms delete` with several ids, and the roster in their output."""

from __future__ import annotations

import grpc
from acs.rooms.v1 import participants_pb2, rooms_pb2
from support.fake_gateway import FailedCall, call, calls

ALICE = participants_pb2.Participant(
    raw_id="8:acs:resource_alice", role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
)


def test_get_prints_rooms_in_the_given_order() -> None:
    responses = tuple(
        rooms_pb2.GetRoomResponse(room=rooms_pb2.Room(id=room_id)) for room_id in "879"
    )
    result, requests = calls("rooms", "get", "8", "7", "9", rpc="GetRoom", responses=responses)
    assert requests == [rooms_pb2.GetRoomRequest(room_id=room_id) for room_id in "879"]
    blocks = result.stdout.split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["id", n] for n in "879"]
    result, _ = calls("rooms", "get", "8", "7", "9", "--json", rpc="GetRoom", responses=responses)
    assert result.stdout.splitlines() == [f'{{"room": {{"id": "{n}"}}}}' for n in "879"]


def test_delete_ends_at_the_first_that_fails() -> None:
    result, requests = calls(
        *("rooms", "delete", "7", "8", "9", "--allow-missing"),
        rpc="DeleteRoom",
        responses=(rooms_pb2.DeleteRoomResponse(),),
        failure=FailedCall(grpc.StatusCode.UNAVAILABLE),
    )
    assert requests == [
        rooms_pb2.DeleteRoomRequest(room_id=room_id, allow_missing=True) for room_id in "78"
    ]
    assert (result.exit_code, result.stdout) == (78, "Deleted room 7.\n")
    assert result.stderr.startswith("Error: UNAVAILABLE\n")


def test_roster_is_printed_below_the_room() -> None:
    get = rooms_pb2.GetRoomResponse(room=rooms_pb2.Room(id="7"), participants=[ALICE])
    flag = "--include-participants"
    result, request = call("rooms", "get", "7", flag, rpc="GetRoom", responses=(get,))
    assert request == rooms_pb2.GetRoomRequest(room_id="7", include_participants=True)
    roster = "\n\nRAW ID                ROLE\n8:acs:resource_alice  presenter\n"
    assert result.stdout.endswith(roster)
    create = rooms_pb2.CreateRoomResponse(room=rooms_pb2.Room(id="7"))
    result, request = call("rooms", "create", flag, rpc="CreateRoom", responses=(create,))
    assert request == rooms_pb2.CreateRoomRequest(include_participants=True)
    assert result.stdout.endswith("\n\nNo participants.\n")
