"""`participants sync`: the list, from arguments and files, and what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from acs.rooms.debug.v1.dry_run_pb2 import RestRequest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
    SyncParticipantsRequest,
    SyncParticipantsResponse,
)
from support.fake_gateway import call, run

ALICE, BOB = "8:acs:resource_alice", "4:+1425"
CHANGES = SyncParticipantsResponse(
    added=[Participant(raw_id=ALICE, role=PARTICIPANT_ROLE_PRESENTER)],
    removed=[Participant(raw_id="8:\x1b[2J", unrecognized_role="Guide")],
    unchanged_count=3,
    fingerprint="abc",
)
TEXT = """\
CHANGE   RAW ID                ROLE
added    8:acs:resource_alice  presenter
removed  8:\\x1b[2J             Guide

Fingerprint: abc
"""


def test_arguments_and_file_are_one_list(tmp_path: Path) -> None:
    """A file has one participant per line; blanks around it, empty lines and a BOM are ignored."""
    file = tmp_path / "roster.txt"
    file.write_text(f"{BOB}\r\n\n  x=consumer \n", encoding="utf-8-sig")
    arguments = ("participants", "sync", "7", f"{ALICE}=presenter", "--file", str(file))
    result, request = call(*arguments, rpc="SyncParticipants", responses=(CHANGES,))
    assert isinstance(request, SyncParticipantsRequest)
    assert [each.raw_id for each in request.participants] == [ALICE, BOB, "x"]
    assert not request.HasField("max_removals")
    assert (result.exit_code, result.stdout, result.stderr) == (0, TEXT, "")


def test_standard_input_is_a_file() -> None:
    _, request = call(
        *("participants", "sync", "7", "--file", "-", "--max-removals", "0"),
        rpc="SyncParticipants",
        responses=(CHANGES,),
        stdin=f"{ALICE}\n",
    )
    assert request == SyncParticipantsRequest(
        room_id="7",
        participants=[Participant(raw_id=ALICE)],
        max_removals=0,
    )


def test_an_equal_roster_has_no_changes() -> None:
    response = SyncParticipantsResponse(unchanged_count=1, fingerprint="abc")
    result, _ = call(
        "participants", "sync", "7", ALICE, rpc="SyncParticipants", responses=(response,)
    )
    assert result.stdout == "No changes.\n\nFingerprint: abc\n"


def test_a_dry_run_prints_changes_and_request() -> None:
    response = SyncParticipantsResponse(
        added=[Participant(raw_id="<redacted 1>", role=PARTICIPANT_ROLE_ATTENDEE)],
        fingerprint="abc",
        rest_request=RestRequest(http_method="PATCH", target="/rooms/7/participants"),
    )
    arguments = ("participants", "sync", "7", ALICE, "--dry-run")
    result, _ = call(*arguments, rpc="SyncParticipants", responses=(response,))
    assert result.stdout == (
        "CHANGE  RAW ID        ROLE\n"
        "added   <redacted 1>  attendee\n"
        "\n"
        "Fingerprint: abc\n"
        "\n"
        "PATCH /rooms/7/participants\n"
    )


def test_removing_everybody_needs_a_flag(tmp_path: Path) -> None:
    """An empty file may be an export that failed."""
    empty = tmp_path / "roster.txt"
    empty.touch()
    result = run("participants", "sync", "7", "--file", str(empty))
    assert result.exit_code == 2
    assert "the list is empty: name participants, or pass --remove-all" in result.stderr
    arguments = ("participants", "sync", "7", "--remove-all")
    _, request = call(*arguments, rpc="SyncParticipants", responses=(CHANGES,))
    assert request == SyncParticipantsRequest(room_id="7")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"a\nb=guide\n", "line 2: 'guide' is not a role"),
        (b"=presenter\n", "line 1: the raw id is missing"),
        (b"\xff\n", "is not UTF-8 text"),
    ],
)
def test_malformed_files_are_usage_errors(tmp_path: Path, content: bytes, error: str) -> None:
    file = tmp_path / "roster.txt"
    file.write_bytes(content)
    result = run("participants", "sync", "7", "--file", str(file))
    assert result.exit_code == 2
    assert f"{file}" in result.stderr
    assert error in result.stderr
