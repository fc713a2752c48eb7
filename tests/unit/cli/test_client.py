import json

import pytest
from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.fake_gateway import call, run

ROOM = rooms_pb2.Room(
    id="99445276259151407",
    created_at=Timestamp(seconds=1_893_456_000, nanos=123_456_700),
    valid_from=Timestamp(seconds=1_893_456_000),
    valid_until=Timestamp(seconds=1_893_463_200),
    pstn_dial_out_enabled=False,
)
ROOM_TEXT = """\
id                     99445276259151407
created_at             2030-01-01T00:00:00.1234567Z
valid_from             2030-01-01T00:00:00Z
valid_until            2030-01-01T02:00:00Z
pstn_dial_out_enabled  false
"""
ROOM_JSON = {
    "id": "99445276259151407",
    "createdAt": "2030-01-01T00:00:00.123456700Z",
    "validFrom": "2030-01-01T00:00:00Z",
    "validUntil": "2030-01-01T02:00:00Z",
    "pstnDialOutEnabled": False,
}
ALICE, BOB = "8:acs:resource_alice", "4:+1=425"

WINDOW_CASES = [
    pytest.param([], {}, id="nothing"),
    pytest.param(
        ["--valid-from", "2030-01-01T01:00:00.123456789+01:00"],
        {"validFrom": "2030-01-01T00:00:00.123456789Z"},
        id="nine digits and an offset",
    ),
    pytest.param(
        ["--valid-until", "2030-01-01T00:00:00"], {"validUntil": "2030-01-01T00:00:00Z"}, id="naive"
    ),
    pytest.param(["--pstn-dial-out"], {"pstnDialOutEnabled": True}, id="dial-out on"),
    pytest.param(["--no-pstn-dial-out"], {"pstnDialOutEnabled": False}, id="dial-out off"),
]


@pytest.mark.parametrize(("options", "fields"), WINDOW_CASES)
def test_create_sets_the_fields_that_were_typed_and_no_others(
    options: list[str], fields: dict[str, object]
) -> None:
    answer = rooms_pb2.CreateRoomResponse(room=ROOM)
    result, request = call("rooms", "create", *options, rpc="CreateRoom", answers=(answer,))
    assert request == ParseDict(fields, rooms_pb2.CreateRoomRequest())
    assert (result.exit_code, result.stdout, result.stderr) == (0, ROOM_TEXT, "")


@pytest.mark.parametrize(("options", "fields"), WINDOW_CASES)
def test_update_sets_the_fields_that_were_typed_and_no_others(
    options: list[str], fields: dict[str, object]
) -> None:
    answer = rooms_pb2.UpdateRoomResponse(room=ROOM)
    result, request = call("rooms", "update", "7", *options, rpc="UpdateRoom", answers=(answer,))
    assert request == ParseDict({"roomId": "7"} | fields, rooms_pb2.UpdateRoomRequest())
    assert (result.exit_code, result.stdout, result.stderr) == (0, ROOM_TEXT, "")


def test_create_takes_the_role_after_the_last_equals_sign_in_any_case() -> None:
    _, request = call(
        *("rooms", "create", "--request-id", "11111111-2222-4333-8444-555555555555"),
        *("--participant", f"{ALICE}=Presenter", "--participant", f"{BOB}=CONSUMER"),
        *("--participant", ALICE),
        rpc="CreateRoom",
        answers=(rooms_pb2.CreateRoomResponse(room=ROOM),),
    )
    assert request == rooms_pb2.CreateRoomRequest(
        request_id="11111111-2222-4333-8444-555555555555",
        participants=[
            participants_pb2.Participant(raw_id=ALICE, role=participants_pb2.ROLE_PRESENTER),
            participants_pb2.Participant(raw_id=BOB, role=participants_pb2.ROLE_CONSUMER),
            participants_pb2.Participant(raw_id=ALICE),
        ],
    )


def test_get_prints_a_room_as_its_answer_in_proto_json_on_one_line() -> None:
    answer = rooms_pb2.GetRoomResponse(room=ROOM)
    result, request = call("rooms", "get", "7", "--json", rpc="GetRoom", answers=(answer,))
    assert request == rooms_pb2.GetRoomRequest(room_id="7")
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == {"room": ROOM_JSON}


def test_get_says_of_what_the_service_left_out_that_it_is_unset() -> None:
    answer = rooms_pb2.GetRoomResponse(room=rooms_pb2.Room(id="7"))
    result, _ = call("rooms", "get", "7", rpc="GetRoom", answers=(answer,))
    assert result.stdout.split()[1::2] == ["7", "unset", "unset", "unset", "unset"]


@pytest.mark.parametrize(
    ("arguments", "rpc", "answer", "request_", "sentence"),
    [
        (
            ("rooms", "delete", "7"),
            "DeleteRoom",
            rooms_pb2.DeleteRoomResponse(),
            rooms_pb2.DeleteRoomRequest(room_id="7"),
            "Deleted room 7.",
        ),
        (
            ("participants", "upsert", "7", f"{ALICE}=attendee", f"{BOB}=collaborator"),
            "UpsertParticipants",
            participants_pb2.UpsertParticipantsResponse(),
            participants_pb2.UpsertParticipantsRequest(
                room_id="7",
                participants=[
                    participants_pb2.Participant(raw_id=ALICE, role=participants_pb2.ROLE_ATTENDEE),
                    participants_pb2.Participant(
                        raw_id=BOB, role=participants_pb2.ROLE_COLLABORATOR
                    ),
                ],
            ),
            "Added or changed 2 participants in room 7.",
        ),
        (
            ("participants", "remove", "7", BOB),
            "RemoveParticipants",
            participants_pb2.RemoveParticipantsResponse(),
            participants_pb2.RemoveParticipantsRequest(room_id="7", raw_ids=[BOB]),
            "Removed 1 participant from room 7.",
        ),
        (
            ("participants", "update", "7", "--upsert", ALICE, "--remove", BOB),
            "UpdateParticipants",
            participants_pb2.UpdateParticipantsResponse(),
            participants_pb2.UpdateParticipantsRequest(
                room_id="7", upsert=[participants_pb2.Participant(raw_id=ALICE)], remove=[BOB]
            ),
            "Added or changed 1 participant and removed 1 participant in room 7.",
        ),
    ],
)
def test_a_command_with_an_empty_answer_says_what_it_did(
    arguments: tuple[str, ...], rpc: str, answer: Message, request_: Message, sentence: str
) -> None:
    result, request = call(*arguments, rpc=rpc, answers=(answer,))
    assert request == request_
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{sentence}\n", "")
    result, _ = call(*arguments, "--json", rpc=rpc, answers=(answer,))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "{}\n", "")


def test_list_prints_one_table_over_all_pages() -> None:
    other = rooms_pb2.Room(id="8")
    pages = (
        rooms_pb2.ListRoomsResponse(next_page_token="t1"),
        rooms_pb2.ListRoomsResponse(rooms=[ROOM], next_page_token="t2"),
        rooms_pb2.ListRoomsResponse(rooms=[other]),
    )
    result, request = call("rooms", "list", rpc="ListRooms", answers=pages)
    assert request == rooms_pb2.ListRoomsRequest()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "ID                 VALID FROM            VALID UNTIL           DIAL-OUT  CREATED AT\n"
        "99445276259151407  2030-01-01T00:00:00Z  2030-01-01T02:00:00Z  false     "
        "2030-01-01T00:00:00Z\n"
        "8                  unset                 unset                 unset     unset\n"
    )


def test_list_as_json_prints_one_line_for_each_page_with_its_token() -> None:
    pages = (
        rooms_pb2.ListRoomsResponse(rooms=[ROOM], next_page_token="t1"),
        rooms_pb2.ListRoomsResponse(),
    )
    result, _ = call("rooms", "list", "--json", rpc="ListRooms", answers=pages)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"rooms": [ROOM_JSON], "nextPageToken": "t1"},
        {"rooms": [], "nextPageToken": ""},
    ]
    assert result.stderr == ""


def test_a_list_that_stops_early_says_how_to_resume() -> None:
    page = participants_pb2.ListParticipantsResponse(
        participants=[participants_pb2.Participant(raw_id=ALICE)], next_page_token="t2"
    )
    result, request = call(
        *("participants", "list", "7", "--page-token", "t1", "--max-pages", "1"),
        rpc="ListParticipants",
        answers=(page,),
    )
    assert request == participants_pb2.ListParticipantsRequest(
        room_id="7", page_token="t1", max_pages=1
    )
    assert (result.exit_code, result.stderr) == (0, "More with: --page-token t2\n")


def test_a_roster_shows_roles_that_the_contract_does_not_know() -> None:
    people = [
        participants_pb2.Participant(raw_id=ALICE, role=participants_pb2.ROLE_PRESENTER),
        participants_pb2.Participant(raw_id=BOB, unrecognized_role="Moderator"),
    ]
    pages = (participants_pb2.ListParticipantsResponse(participants=people),)
    result, _ = call("participants", "list", "7", rpc="ListParticipants", answers=pages)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["RAW", "ID", "ROLE"],
        [ALICE, "presenter"],
        [BOB, "Moderator"],
    ]


def test_an_empty_list_says_so_beside_the_output() -> None:
    pages = (rooms_pb2.ListRoomsResponse(),)
    result, _ = call("rooms", "list", rpc="ListRooms", answers=pages)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No rooms here.\n")


def test_control_characters_in_an_answer_do_not_reach_the_terminal() -> None:
    people = [participants_pb2.Participant(raw_id="8:\x1b[2J\nx", unrecognized_role="\x07")]
    pages = (participants_pb2.ListParticipantsResponse(participants=people),)
    result, _ = call("participants", "list", "7", rpc="ListParticipants", answers=pages)
    assert result.stdout.splitlines()[1:] == [r"8:\x1b[2J\nx  \x07"]


@pytest.mark.parametrize(
    "command",
    [
        *(("rooms", name) for name in ("create", "get", "update", "delete", "list")),
        *(("participants", name) for name in ("upsert", "remove", "update", "list")),
    ],
)
def test_every_command_explains_itself(command: tuple[str, str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "ROOMS_GATEWAY_ADDRESS" in result.stdout
