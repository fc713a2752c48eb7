from __future__ import annotations

import json

import pytest
from acs.rooms.v1 import access_tokens_pb2, error_reason_pb2, join_pb2, participants_pb2
from acs.rooms.v1.item_error_pb2 import ItemError
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from support.fake_gateway import call

from rooms_gateway.cli.client.obstacles import NEXT_BY_KIND

ALICE = "8:acs:resource_alice"
NOON = Timestamp(seconds=1_893_499_200)

ADMITTED = join_pb2.AdmittedGuest(
    label="Alice",
    participant=participants_pb2.Participant(
        raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
    ),
    access_token=access_tokens_pb2.AccessToken(token="eyJ.alice", expires_at=NOON),
)
THROTTLED = join_pb2.AdmittedGuest(
    error=ItemError(
        code=8,
        reason=error_reason_pb2.ERROR_REASON_THROTTLED,
        message="too many requests",
        retry_delay=Duration(seconds=2),
    ),
)


def test_guests_are_sent_as_given() -> None:
    _, request = call(
        *("join", "admit", "7", "new=presenter#Alice", "custom:a", f"{ALICE}=consumer"),
        *("--scope", "voip.join", "--lifetime", "1h"),
        rpc="AdmitParticipants",
        responses=(join_pb2.AdmitParticipantsResponse(),),
    )
    assert request == join_pb2.AdmitParticipantsRequest(
        room_id="7",
        guests=[
            join_pb2.Guest(
                new_user=Empty(), role=participants_pb2.PARTICIPANT_ROLE_PRESENTER, label="Alice"
            ),
            join_pb2.Guest(custom_id="a"),
            join_pb2.Guest(raw_id=ALICE, role=participants_pb2.PARTICIPANT_ROLE_CONSUMER),
        ],
        token_options=access_tokens_pb2.TokenOptions(
            scopes=[access_tokens_pb2.TOKEN_SCOPE_VOIP_JOIN], lifetime=Duration(seconds=3600)
        ),
    )


def test_admitted_guests_are_printed_with_tokens() -> None:
    response = join_pb2.AdmitParticipantsResponse(results=[ADMITTED, ADMITTED])
    result, request = call(
        "join", "admit", "7", ALICE, ALICE, rpc="AdmitParticipants", responses=(response,)
    )
    assert not request.HasField("token_options")
    guest = f"""\
label         Alice
raw_id        {ALICE}
role          presenter
access_token  eyJ.alice
expires_at    2030-01-01T12:00:00Z
"""
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{guest}\n{guest}", "")


def test_error_of_a_guest_is_exit_code_9() -> None:
    response = join_pb2.AdmitParticipantsResponse(
        results=[ADMITTED, THROTTLED], tokens_expire_before_open=True
    )
    arguments = ("join", "admit", "7", ALICE, "new")
    result, _ = call(*arguments, rpc="AdmitParticipants", responses=(response,))
    assert result.exit_code == 9
    assert result.stdout.endswith("""
error        RESOURCE_EXHAUSTED
reason       ERROR_REASON_THROTTLED
message      too many requests
retry after  2 s
next         Repeat the command after that time.
""")
    assert "expires before the window begins" in result.stderr
    assert "by raw id if there is one" in result.stderr
    result, _ = call(*arguments, "--json", rpc="AdmitParticipants", responses=(response,))
    assert (result.exit_code, result.stderr) == (9, "")
    assert len(json.loads(result.stdout)["results"]) == 2


def test_obstacles_are_exit_code_8_and_one_line_each() -> None:
    response = join_pb2.ExplainJoinResponse(
        obstacles=[
            join_pb2.JoinObstacle(
                kind=join_pb2.JOIN_OBSTACLE_KIND_NOT_A_PARTICIPANT,
                calling_code=403,
                calling_subcode=5828,
                message="The user is not on the roster.",
                remedy="acs.rooms.v1.ParticipantsService/UpsertParticipants",
            ),
            join_pb2.JoinObstacle(
                kind=join_pb2.JOIN_OBSTACLE_KIND_ROOM_NOT_OPEN,
                calling_subcode=5829,
                message="The window has not begun.",
                clears_at=NOON,
            ),
            join_pb2.JoinObstacle(kind=99, message="New.", remedy="a.B/C"),  # type: ignore[arg-type] # a value of a later version
        ],
        not_checked=[
            join_pb2.UNCHECKED_JOIN_CONDITION_TOKEN,
            join_pb2.UNCHECKED_JOIN_CONDITION_CALL_CAPACITY,
        ],
    )
    arguments = ("join", "explain", "7", ALICE, "--at", "2030-01-01T12:00")
    result, request = call(*arguments, rpc="ExplainJoin", responses=(response,))
    assert request == join_pb2.ExplainJoinRequest(room_id="7", raw_id=ALICE, time=NOON)
    assert (result.exit_code, result.stderr) == (8, "")
    assert result.stdout == (
        "NOT_A_PARTICIPANT 403/5828: The user is not on the roster."
        f" Add it: `rooms-gateway participants upsert 7 {ALICE}`.\n"
        "ROOM_NOT_OPEN 5829: The window has not begun. Clears at 2030-01-01T12:00:00Z."
        " Open it earlier: `rooms-gateway rooms update 7 --valid-from now`.\n"
        "99: New. Call a.B/C.\n"
        "Not checked: token, call capacity.\n"
    )
    result, _ = call(*arguments, "--json", rpc="ExplainJoin", responses=(response,))
    assert result.exit_code == 8
    assert len(json.loads(result.stdout)["obstacles"]) == 3


def test_join_without_obstacles_is_exit_code_0() -> None:
    result, request = call(
        *("join", "explain", "7", ALICE, "--access-token-file", "-"),
        rpc="ExplainJoin",
        responses=(join_pb2.ExplainJoinResponse(),),
        stdin="eyJ.alice\n",
    )
    assert request == join_pb2.ExplainJoinRequest(room_id="7", raw_id=ALICE, token="eyJ.alice")
    assert (result.exit_code, result.stdout) == (0, "No obstacle found.\n")


@pytest.mark.parametrize("kind", join_pb2.JoinObstacleKind.keys()[1:])
def test_every_obstacle_has_a_next_step(kind: str) -> None:
    assert kind.removeprefix("JOIN_OBSTACLE_KIND_") in NEXT_BY_KIND
