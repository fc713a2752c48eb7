"""`--print-grpcurl`; tests/conformance pastes the lines."""

from __future__ import annotations

import json
import shlex

import click
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from support.client_commands import ALICE, EXAMPLES
from support.commands import invoke
from support.fake_gateway import APP, METHODS, run

SECRET = "secret-of-the-user"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_every_command_has_an_example() -> None:
    commands = {
        (group.name, name)
        for group in APP.commands.values()
        if isinstance(group, click.Group)
        for name in group.commands
    }
    assert {arguments[:2] for arguments in EXAMPLES} == commands


@pytest.mark.parametrize(
    ("arguments", "rpc"),
    EXAMPLES.items(),
    ids=["-".join(arguments[:2]) for arguments in EXAMPLES],
)
def test_nothing_is_called_and_no_token_printed(arguments: tuple[str, ...], rpc: str) -> None:
    """Nothing is read from standard input either."""
    result = run(*arguments, "--print-grpcurl", stdin=SECRET)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("grpcurl -plaintext -max-time 30 -d '{")
    service = METHODS[rpc].containing_service.full_name
    assert result.stdout.endswith(f" 127.0.0.1:50051 {service}/{rpc}\n")
    assert SECRET not in result.stdout


def test_each_room_has_a_line() -> None:
    result = run("rooms", "get", "7", "8", "--print-grpcurl", "--json", "--timeout", "0.5")
    assert result.stdout == "".join(
        f"""grpcurl -plaintext -max-time 0.5 -d '{{"room_id":"{room_id}"}}' 127.0.0.1:50051"""
        " acs.rooms.v1.RoomsService/GetRoom\n"
        for room_id in (7, 8)
    )


def test_the_resource_is_a_header() -> None:
    result = run("rooms", "get", "7", "--resource", "eu", "--print-grpcurl")
    assert result.stdout.startswith("grpcurl -plaintext -H 'rooms-resource: eu' -max-time 30 ")


def test_tokens_are_printed_as_shell_variables() -> None:
    """Also the bearer token, and without the warning that it is sent in plaintext."""
    done = invoke(
        *("join", "explain", "7", ALICE, "--access-token-file", "/no/such/file"),
        *("--address", "rooms.example:50051", "--print-grpcurl"),
        env={"ROOMS_GATEWAY_TOKEN": SECRET},
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        'grpcurl -plaintext -H "authorization: Bearer $TOKEN" -max-time 30 -d \'{"room_id":"7",'
        f'"raw_id":"{ALICE}","token":"\'"$ACCESS_TOKEN"\'"}}\' rooms.example:50051'
        " acs.rooms.v1.JoinService/ExplainJoin\n"
    )


@given(raw_id=TEXTS.filter(lambda text: text and "=" not in text and "#" not in text), label=TEXTS)
def test_any_text_survives_the_shell(raw_id: str, label: str) -> None:
    """The line is one line of printable ASCII characters."""
    label = label.replace("#", "")
    guest = f"custom:{raw_id}#{label}"
    result = run("join", "admit", "7", "--print-grpcurl", "--", guest)
    line = result.stdout.removesuffix("\n")
    assert line.isascii()
    assert line.isprintable()
    method = METHODS["AdmitParticipants"]
    text = shlex.split(line)[-3]
    request = ParseDict(json.loads(text), GetMessageClass(method.input_type)())
    assert request == GetMessageClass(method.input_type)(
        room_id="7", guests=[{"custom_id": raw_id, "label": label}]
    )
