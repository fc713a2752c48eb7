"""`--dry-run` of every command that changes something."""

from __future__ import annotations

import json

import pytest
from acs.rooms.debug.v1 import dry_run_pb2
from acs.rooms.v1 import rooms_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from support.client_commands import EXAMPLES
from support.fake_gateway import METHODS, call, calls

REQUEST = dry_run_pb2.RestRequest(
    http_method="PATCH",
    target="/rooms/7?api-version=2025-03-13",
    headers={"X-B": "2", "Content-Type": "application/json"},
    body='{"x":"\x1b[2J"}',
)
TEXT = """\
PATCH /rooms/7?api-version=2025-03-13
Content-Type: application/json
X-B: 2

{"x":"\\x1b[2J"}
"""
DRY_RUNS = {
    rpc: arguments[: arguments.index("--show-identifiers")]
    for arguments, rpc in EXAMPLES.items()
    if "--show-identifiers" in arguments and not METHODS[rpc].client_streaming
}


def response_of(rpc: str) -> Message:
    return GetMessageClass(METHODS[rpc].output_type)(rest_request=REQUEST)


def test_every_rpc_with_a_dry_run_has_the_flag() -> None:
    assert set(DRY_RUNS) == {
        name for name, method in METHODS.items() if "dry_run" in method.input_type.fields_by_name
    }


@pytest.mark.parametrize("rpc", DRY_RUNS)
def test_dry_run_prints_the_rest_request(rpc: str) -> None:
    result, request = call(*DRY_RUNS[rpc], rpc=rpc, responses=(response_of(rpc),), stdin="token")
    assert MessageToDict(request)["dryRun"] == {}
    assert (result.exit_code, result.stdout, result.stderr) == (0, TEXT, "")


@pytest.mark.parametrize("rpc", DRY_RUNS)
def test_identifiers_are_shown_on_request(rpc: str) -> None:
    arguments = (*DRY_RUNS[rpc], "--show-identifiers", "--json")
    result, request = call(*arguments, rpc=rpc, responses=(response_of(rpc),), stdin="token")
    assert MessageToDict(request)["dryRun"] == {"showIdentifiers": True}
    assert json.loads(result.stdout) == {"restRequest": MessageToDict(REQUEST)}


def test_a_dry_run_prints_the_applied_settings() -> None:
    request = dry_run_pb2.RestRequest()
    request.CopyFrom(REQUEST)
    request.applied_settings.extend(["default-role=consumer", "max-room-lifetime=60"])
    response = rooms_pb2.CreateRoomResponse(rest_request=request)
    result, _ = call(*DRY_RUNS["CreateRoom"], rpc="CreateRoom", responses=(response,))
    assert result.stdout == (
        f"{TEXT}\nCompleted by the settings of the gateway: default-role=consumer, "
        "max-room-lifetime=60\n"
    )


def test_requests_of_several_rooms_are_separated() -> None:
    """Each without headers and body has one line."""
    bare = dry_run_pb2.RestRequest(http_method="DELETE", target="/rooms/7")
    for request, separator in ((REQUEST, "\n"), (bare, "")):
        responses = (rooms_pb2.DeleteRoomResponse(rest_request=request),) * 2
        result, _ = calls(
            "rooms", "delete", "7", "8", "--dry-run", rpc="DeleteRoom", responses=responses
        )
        text = TEXT if request is REQUEST else "DELETE /rooms/7\n"
        assert result.stdout == f"{text}{separator}{text}"
