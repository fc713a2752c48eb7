from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from acs.identity.v1 import users_pb2
from acs.rooms.v1 import access_tokens_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.fake_gateway import FailedCall, call, run

ALICE = "8:acs:resource_alice"
UUID = "11111111-2222-4333-8444-555555555555"
USER = users_pb2.User(raw_id=ALICE)
TOKEN = access_tokens_pb2.AccessToken(
    token="eyJ.payload.signature", expires_at=Timestamp(seconds=1_893_456_000)
)
TOKEN_TEXT = "access_token  eyJ.payload.signature\nexpires_at    2030-01-01T00:00:00Z\n"
OPTIONS = access_tokens_pb2.TokenOptions(
    scopes=[access_tokens_pb2.TOKEN_SCOPE_VOIP, access_tokens_pb2.TOKEN_SCOPE_CHAT_JOIN_LIMITED],
    lifetime=Duration(seconds=7200),
)
OPTION_FLAGS = ("--scope", "voip", "--scope", "chat.join.limited", "--lifetime", "2h")
EXCHANGE = ("users", "exchange-teams-token", "--app-id", UUID, "--user-id", UUID)
REFERENCE = users_pb2.User(raw_id=ALICE)


@pytest.mark.parametrize(
    ("flags", "request_"),
    [
        ((), users_pb2.CreateUserRequest()),
        (("--custom-id", "a"), users_pb2.CreateUserRequest(custom_id="a")),
        (("--token",), users_pb2.CreateUserRequest(token_options=access_tokens_pb2.TokenOptions())),
        (("--token", *OPTION_FLAGS), users_pb2.CreateUserRequest(token_options=OPTIONS)),
    ],
)
def test_create_requests_a_token_only_if_asked(flags: tuple[str, ...], request_: Message) -> None:
    response = users_pb2.CreateUserResponse(user=USER)
    result, request = call("users", "create", *flags, rpc="CreateUser", responses=(response,))
    assert request == request_
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"raw_id  {ALICE}\n", "")


def test_create_prints_token_and_possible_orphan() -> None:
    response = users_pb2.CreateUserResponse(user=USER, access_token=TOKEN, possible_orphan=True)
    result, _ = call("users", "create", "--token", rpc="CreateUser", responses=(response,))
    assert result.stdout == f"raw_id        {ALICE}\n{TOKEN_TEXT}"
    assert "another user may exist" in result.stderr


@pytest.mark.parametrize(("flags", "options"), [((), None), (OPTION_FLAGS, OPTIONS)])
def test_token_prints_token_and_expiry(
    flags: tuple[str, ...], options: access_tokens_pb2.TokenOptions | None
) -> None:
    response = users_pb2.IssueTokenResponse(access_token=TOKEN)
    result, request = call("users", "token", ALICE, *flags, rpc="IssueToken", responses=(response,))
    assert request == users_pb2.IssueTokenRequest(user=REFERENCE, token_options=options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, TOKEN_TEXT, "")
    result, _ = call("users", "token", ALICE, "--json", rpc="IssueToken", responses=(response,))
    assert json.loads(result.stdout)["accessToken"]["token"] == TOKEN.token


@pytest.mark.parametrize(
    ("arguments", "rpc", "request_", "response", "sentence"),
    [
        (
            ("users", "revoke", ALICE),
            "RevokeTokens",
            users_pb2.RevokeTokensRequest(user=REFERENCE),
            users_pb2.RevokeTokensResponse(),
            f"Revoked the access tokens of user {ALICE}.\n",
        ),
        (
            ("users", "delete", ALICE, "--allow-missing"),
            "DeleteUser",
            users_pb2.DeleteUserRequest(user=REFERENCE, allow_missing=True),
            users_pb2.DeleteUserResponse(),
            f"Deleted user {ALICE}.\n",
        ),
    ],
)
def test_success_with_empty_response_is_printed(
    arguments: tuple[str, ...], rpc: str, request_: Message, response: Message, sentence: str
) -> None:
    result, request = call(*arguments, rpc=rpc, responses=(response,))
    assert request == request_
    assert (result.exit_code, result.stdout, result.stderr) == (0, sentence, "")


def test_teams_token_is_read_from_stdin_or_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\ufeffteams.token\n", encoding="utf-8")
    response = users_pb2.ExchangeTeamsUserTokenResponse(access_token=TOKEN)
    for flags, stdin in (((), "teams.token\r\n"), (("--teams-token-file", str(file)), None)):
        result, request = call(
            *EXCHANGE,
            *flags,
            rpc="ExchangeTeamsUserToken",
            responses=(response,),
            stdin=stdin,
        )
        assert request == users_pb2.ExchangeTeamsUserTokenRequest(
            teams_token="teams.token", app_id=UUID, user_id=UUID
        )
        assert (result.exit_code, result.stdout, result.stderr) == (0, TOKEN_TEXT, "")


@pytest.mark.parametrize(
    ("flags", "stdin", "error"),
    [
        ((), " \n", "--teams-token-file: standard input contains no token"),
        ((), "sécret", "is not ASCII text"),
        (("--teams-token-file", "/no/such/file"), "", "cannot read /no/such/file"),
    ],
)
def test_missing_or_malformed_teams_token_is_exit_code_2(
    flags: tuple[str, ...], stdin: str, error: str
) -> None:
    result = run(*EXCHANGE, *flags, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
    assert "cret" not in result.stderr


def test_failed_exchange_does_not_print_the_token() -> None:
    result, _ = call(
        *EXCHANGE,
        rpc="ExchangeTeamsUserToken",
        responses=(),
        failure=FailedCall(grpc.StatusCode.INVALID_ARGUMENT, "rejected"),
        stdin="teams.token",
    )
    assert result.exit_code == 67
    assert "teams.token" not in result.output
