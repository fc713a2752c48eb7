from __future__ import annotations

import json

import pytest
from acs.rooms.v1 import participants_pb2, rooms_pb2
from acs.rooms.v1.item_error_pb2 import ItemError
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.client_commands import EXAMPLES
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
def test_create_sets_only_given_fields(options: list[str], fields: dict[str, object]) -> None:
    response = rooms_pb2.CreateRoomResponse(room=ROOM)
    result, request = call("rooms", "create", *options, rpc="CreateRoom", responses=(response,))
    assert request == ParseDict(fields, rooms_pb2.CreateRoomRequest())
    assert (result.exit_code, result.stdout, result.stderr) == (0, ROOM_TEXT, "")


@pytest.mark.parametrize(("options", "fields"), WINDOW_CASES)
def test_update_sets_only_given_fields(options: list[str], fields: dict[str, object]) -> None:
    response = rooms_pb2.UpdateRoomResponse(room=ROOM)
    result, request = call(
        "rooms", "update", "7", *options, rpc="UpdateRoom", responses=(response,)
    )
    assert request == ParseDict({"roomId": "7"} | fields, rooms_pb2.UpdateRoomRequest())
    assert (result.exit_code, result.stdout, result.stderr) == (0, ROOM_TEXT, "")


def test_role_follows_the_last_equals_sign() -> None:
    """Names of roles ignore case."""
    _, request = call(
        *("rooms", "create", "--request-id", "11111111-2222-4333-8444-555555555555"),
        *("--participant", f"{ALICE}=Presenter", "--participant", f"{BOB}=CONSUMER"),
        *("--participant", ALICE),
        rpc="CreateRoom",
        responses=(rooms_pb2.CreateRoomResponse(room=ROOM),),
    )
    assert request == rooms_pb2.CreateRoomRequest(
        request_id="11111111-2222-4333-8444-555555555555",
        participants=[
            participants_pb2.Participant(
                raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
            ),
            participants_pb2.Participant(
                raw_id=BOB, role=participants_pb2.PARTICIPANT_ROLE_CONSUMER
            ),
            participants_pb2.Participant(raw_id=ALICE),
        ],
    )


def test_json_is_response_on_one_line() -> None:
    response = rooms_pb2.GetRoomResponse(room=ROOM)
    result, request = call("rooms", "get", "7", "--json", rpc="GetRoom", responses=(response,))
    assert request == rooms_pb2.GetRoomRequest(room_id="7")
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == {"room": ROOM_JSON}


def test_missing_fields_are_printed_as_unset() -> None:
    response = rooms_pb2.GetRoomResponse(room=rooms_pb2.Room(id="7"))
    result, _ = call("rooms", "get", "7", rpc="GetRoom", responses=(response,))
    assert result.stdout.split()[1::2] == ["7", "unset", "unset", "unset", "unset"]


@pytest.mark.parametrize(
    ("arguments", "rpc", "response", "request_", "sentence"),
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
                    participants_pb2.Participant(
                        raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_ATTENDEE
                    ),
                    participants_pb2.Participant(
                        raw_id=BOB, role=participants_pb2.PARTICIPANT_ROLE_COLLABORATOR
                    ),
                ],
            ),
            "Added or changed 2 participants in room 7.",
        ),
        (
            ("participants", "remove", "7", BOB),
            "RemoveParticipants",
            participants_pb2.RemoveParticipantsResponse(),
            participants_pb2.RemoveParticipantsRequest(room_id="7", remove_raw_ids=[BOB]),
            "Removed 1 participant from room 7.",
        ),
        (
            ("participants", "update", "7", "--upsert", ALICE, "--remove", BOB),
            "UpdateParticipants",
            participants_pb2.UpdateParticipantsResponse(),
            participants_pb2.UpdateParticipantsRequest(
                room_id="7",
                participants=[participants_pb2.Participant(raw_id=ALICE)],
                remove_raw_ids=[BOB],
            ),
            "Added or changed 1 participant and removed 1 participant in room 7.",
        ),
    ],
)
def test_success_with_empty_response_is_printed(
    arguments: tuple[str, ...], rpc: str, response: Message, request_: Message, sentence: str
) -> None:
    result, request = call(*arguments, rpc=rpc, responses=(response,))
    assert request == request_
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{sentence}\n", "")
    result, _ = call(*arguments, "--json", rpc=rpc, responses=(response,))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "{}\n", "")


def test_list_prints_one_table_for_all_pages() -> None:
    other = rooms_pb2.Room(id="8")
    pages = (
        rooms_pb2.ListRoomsResponse(next_page_token="t1"),
        rooms_pb2.ListRoomsResponse(rooms=[ROOM], next_page_token="t2"),
        rooms_pb2.ListRoomsResponse(rooms=[other]),
    )
    result, request = call("rooms", "list", rpc="ListRooms", responses=pages)
    assert request == rooms_pb2.ListRoomsRequest()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "ID                 VALID FROM            VALID UNTIL           DIAL-OUT  CREATED AT\n"
        "99445276259151407  2030-01-01T00:00:00Z  2030-01-01T02:00:00Z  false     "
        "2030-01-01T00:00:00Z\n"
        "8                  unset                 unset                 unset     unset\n"
    )


def test_list_as_json_prints_one_line_per_page() -> None:
    pages = (
        rooms_pb2.ListRoomsResponse(rooms=[ROOM], next_page_token="t1"),
        rooms_pb2.ListRoomsResponse(),
    )
    result, _ = call("rooms", "list", "--json", rpc="ListRooms", responses=pages)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"rooms": [ROOM_JSON], "nextPageToken": "t1", "rosters": []},
        {"rooms": [], "nextPageToken": "", "rosters": []},
    ]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        ((), {}),
        (("--valid-at", "2030-01-01"), {"filter": {"validAt": "2030-01-01T00:00:00Z"}}),
        (("--created-after", "2030-01-01"), {"filter": {"createdAfter": "2030-01-01T00:00:00Z"}}),
        (
            ("--created-before", "2030-01-01T00:00:00.1234567Z"),
            {"filter": {"createdBefore": "2030-01-01T00:00:00.123456700Z"}},
        ),
        (
            ("--closes-before", "2030-01-01"),
            {"filter": {"validUntilBefore": "2030-01-01T00:00:00Z"}},
        ),
        (("--dial-out",), {"filter": {"pstnDialOutEnabled": True}}),
        (("--no-dial-out",), {"filter": {"pstnDialOutEnabled": False}}),
    ],
)
def test_each_flag_of_a_filter_is_a_condition(
    flags: tuple[str, ...], fields: dict[str, object]
) -> None:
    _, request = call(
        "rooms", "list", *flags, rpc="ListRooms", responses=(rooms_pb2.ListRoomsResponse(),)
    )
    assert request == ParseDict(fields, rooms_pb2.ListRoomsRequest())


def test_open_now_is_valid_at_the_present() -> None:
    before = Timestamp()
    before.GetCurrentTime()
    _, request = call(
        "rooms", "list", "--open-now", rpc="ListRooms", responses=(rooms_pb2.ListRoomsResponse(),)
    )
    assert isinstance(request, rooms_pb2.ListRoomsRequest)
    assert before.seconds <= request.filter.valid_at.seconds <= before.seconds + 60
    result = run("rooms", "list", "--open-now", "--valid-at", "now")
    assert result.exit_code == 2


def test_rosters_are_printed_below_their_rooms() -> None:
    """A roster that could not be read has the code of its error."""
    rosters = [
        rooms_pb2.Roster(
            participants=[
                participants_pb2.Participant(
                    raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
                ),
                participants_pb2.Participant(raw_id=BOB, unrecognized_role="Moderator"),
            ]
        ),
        rooms_pb2.Roster(),
        rooms_pb2.Roster(error=ItemError(code=5)),
    ]
    rooms = [rooms_pb2.Room(id=number) for number in ("7", "8", "9")]
    result, request = call(
        *("rooms", "list", "--include-participants"),
        rpc="ListRooms",
        responses=(rooms_pb2.ListRoomsResponse(rooms=rooms, rosters=rosters),),
    )
    assert request == rooms_pb2.ListRoomsRequest(include_participants=True)
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["7", *["unset"] * 4, ALICE, "presenter"],
        [BOB, "Moderator"],
        ["8", *["unset"] * 4],
        ["9", *["unset"] * 4, "error:", "NOT_FOUND"],
    ]


def test_list_that_stops_early_prints_page_token() -> None:
    page = participants_pb2.ListParticipantsResponse(
        participants=[participants_pb2.Participant(raw_id=ALICE)], next_page_token="t2"
    )
    result, request = call(
        *("participants", "list", "7", "--page-token", "t1", "--max-pages", "1"),
        rpc="ListParticipants",
        responses=(page,),
    )
    assert request == participants_pb2.ListParticipantsRequest(
        room_id="7", page_token="t1", max_pages=1
    )
    assert (result.exit_code, result.stderr) == (0, "Next page: --page-token t2\n")


def test_roster_prints_unrecognized_roles() -> None:
    roster = [
        participants_pb2.Participant(
            raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
        ),
        participants_pb2.Participant(raw_id=BOB, unrecognized_role="Moderator"),
    ]
    pages = (participants_pb2.ListParticipantsResponse(participants=roster),)
    result, _ = call("participants", "list", "7", rpc="ListParticipants", responses=pages)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["RAW", "ID", "ROLE"],
        [ALICE, "presenter"],
        [BOB, "Moderator"],
    ]


def test_empty_list_is_reported_on_stderr() -> None:
    pages = (rooms_pb2.ListRoomsResponse(),)
    result, _ = call("rooms", "list", rpc="ListRooms", responses=pages)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No rooms.\n")


def test_control_characters_are_escaped() -> None:
    roster = [participants_pb2.Participant(raw_id="8:\x1b[2J\nx", unrecognized_role="\x07")]
    pages = (participants_pb2.ListParticipantsResponse(participants=roster),)
    result, _ = call("participants", "list", "7", rpc="ListParticipants", responses=pages)
    assert result.stdout.splitlines()[1:] == [r"8:\x1b[2J\nx  \x07"]


@pytest.mark.parametrize("command", sorted({arguments[:2] for arguments in EXAMPLES}))
def test_every_command_has_help(command: tuple[str, str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "ROOMS_GATEWAY_ADDRESS" in result.stdout
