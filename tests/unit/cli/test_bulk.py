"""`rooms bulk-create` and `rooms bulk-delete`: files, results, resumption, exit codes."""

from __future__ import annotations

import fcntl
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import error_reason_pb2
from acs.rooms.v1.bulk_rooms_pb2 import (
    BulkCreateRoomsRequest,
    BulkCreateRoomsResponse,
    BulkDeleteRoomsRequest,
    BulkDeleteRoomsResponse,
)
from acs.rooms.v1.item_error_pb2 import ItemError
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, CreateRoomResponse, DeleteRoomResponse, Room
from click.testing import Result
from google.protobuf.timestamp_pb2 import Timestamp
from support.client_commands import ALICE, BOB
from support.fake_gateway import FailedCall, bulk, run

from rooms_gateway.cli.client.progress import Progress

JOB = "5f0c7e36-0b5e-4a1e-9c39-5a3a3f1c9a55"
HEADER = {"format": "rooms-gateway-bulk-create/1", "jobId": JOB}
OTHER_JOB = "0c1f8f5e-4f0e-4d4b-8a34-1b9f2e6f7d10"
ERROR = ItemError(
    code=3, reason=error_reason_pb2.ERROR_REASON_REQUEST_INVALID, message="valid_from: no"
)


def created(request: Any) -> BulkCreateRoomsResponse:
    return BulkCreateRoomsResponse(
        key=request.key, response=CreateRoomResponse(room=Room(id=f"room-{request.key}"))
    )


def failing(*keys: str) -> Callable[[Any], BulkCreateRoomsResponse]:
    """Return a gateway that creates all rooms but those of `keys`."""
    return lambda request: (
        BulkCreateRoomsResponse(key=request.key, error=ERROR)
        if request.key in keys
        else created(request)
    )


def create(
    *arguments: str | Path, respond: Callable[[Any], Any] = created, **others: Any
) -> tuple[Result, list[BulkCreateRoomsRequest]]:
    command = ("rooms", "bulk-create", *map(str, arguments))
    return bulk(*command, rpc="BulkCreateRooms", respond=respond, **others)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def line(content: dict[str, Any]) -> str:
    """Return a line of results."""
    return json.dumps(content, separators=(",", ":")) + "\n"


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Return a file with the items a, b and c."""
    return write(tmp_path / "rooms.ndjson", *(f'{{"key":"{key}","request":{{}}}}' for key in "abc"))


def keys_of(path: Path) -> list[str]:
    return [json.loads(line).get("key") for line in path.read_text().splitlines()]


def test_results_are_json_lines_on_standard_output(rooms: Path) -> None:
    """The job id and the counts are on standard error."""
    result, requests = create(rooms)
    assert result.exit_code == 0
    assert [json.loads(line)["key"] for line in result.stdout.splitlines()] == ["a", "b", "c"]
    assert [request.key for request in requests] == ["a", "b", "c"]
    assert uuid.UUID(requests[0].job_id).version == 4
    assert [request.job_id for request in requests[1:]] == ["", ""]
    assert result.stderr == "3 succeeded, 0 failed.\n"


def test_a_csv_file_has_the_fields_of_rooms(tmp_path: Path) -> None:
    """Empty cells, and columns that are not there, leave fields unset."""
    file = tmp_path / "rooms.CSV"
    file.write_text(
        "\ufeffkey,valid_from,valid_until,participants,pstn_dial_out_enabled\r\n"
        f'a,2030-01-01,2030-01-01T01:00+01:00,"{ALICE}=presenter; {BOB}=attendee;{ALICE}",TRUE\r\n'
        '"b, with a\r\nline",,,,\r\n',
        encoding="utf-8",
        newline="",
    )
    result, requests = create(file)
    assert result.exit_code == 0
    first, second = requests
    assert first.key == "a"
    assert first.request == CreateRoomRequest(
        valid_from=Timestamp(seconds=1893456000),
        valid_until=Timestamp(seconds=1893456000),
        pstn_dial_out_enabled=True,
        participants=[
            Participant(raw_id=ALICE, role=PARTICIPANT_ROLE_PRESENTER),
            Participant(raw_id=BOB, role=PARTICIPANT_ROLE_ATTENDEE),
            Participant(raw_id=ALICE),
        ],
    )
    assert (second.key, second.request) == ("b, with a\r\nline", CreateRoomRequest())
    assert create(write(tmp_path / "keys.csv", "key", "x"))[1][0].request == CreateRoomRequest()


VALID = '{"key":"a","request":{}}'


@pytest.mark.parametrize(
    ("name", "lines", "error"),
    [
        ("x.json", [VALID, "{"], ":2: Failed to load JSON"),
        (
            "x.json",
            [VALID, "", '{"key":"b","request":{"room":1}}'],
            ":3: Failed to parse request field: Message",
        ),
        ("x.json", ['{"key":"a"}'], ":1: request: value is required"),
        ("x.json", ['{"request":{}}'], ":1: key: "),
        ("x.json", [VALID, VALID], ":2: key 'a' is also on line 1"),
        (
            "x.json",
            ['{"key":"a","request":{"participants":[{"raw_id":"x' + "x" * 256 + '"}]}}'],
            ":1: request.participants[0]",
        ),
        (
            "x.json",
            [
                f'{{"jobId":"{JOB}","key":"a","request":{{}}}}',
                f'{{"jobId":"{OTHER_JOB}","key":"b","request":{{}}}}',
            ],
            ":2: job_id is not that of the lines before",
        ),
        ("x.csv", ["key;valid_from", "a;"], ":1: the first line must name columns of key, valid_"),
        ("x.csv", ["valid_from", "now"], ":1: the first line must name columns of key, valid_"),
        ("x.csv", [], ":1: the first line must name columns of key, valid_"),
        ("x.csv", ["key,valid_from", "a,now", "b,soon"], ":3: valid_from: not a time"),
        ("x.csv", ["key,participants", "a,x=king"], ":2: participants: 'king' is not a role"),
        ("x.csv", ["key,pstn_dial_out_enabled", "a,1"], ":2: pstn_dial_out_enabled: '1' is"),
        ("x.csv", ["key,valid_from", "a"], ":2: the row must have 2 cells"),
        ("x.csv", ["key", "a,b"], ":2: the row must have 1 cells"),
        ("x.csv", ["key", "a", "a"], ":3: key 'a' is also on line 2"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_sent(
    tmp_path: Path, name: str, lines: list[str], error: str
) -> None:
    """No output file is made either."""
    file, output = write(tmp_path / name, *lines), tmp_path / "out"
    result = run("rooms", "bulk-create", str(file), "--output", str(output))
    assert result.exit_code == 2
    assert f"Error: {file}{error}" in result.stderr
    assert not output.exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    result = run("rooms", "bulk-create", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert f"cannot read {tmp_path}/none: No such file" in result.stderr
    file = tmp_path / "latin"
    file.write_bytes(VALID.encode() + b"\n\xe9\n")
    result = run("rooms", "bulk-create", str(file))
    assert f"{file}:2: not UTF-8 text" in result.stderr


def test_standard_input_is_sent_as_it_comes() -> None:
    """A malformed line ends it after the results of the lines before."""
    result, requests = create("-", stdin=f"{VALID}\n{{\n{VALID}\n")
    assert [request.key for request in requests] == ["a"]
    assert [json.loads(line)["key"] for line in result.stdout.splitlines()] == ["a"]
    assert result.exit_code == 2
    assert "Error: standard input:2: Failed to load JSON" in result.stderr
    assert "1 succeeded, 0 failed." in result.stderr


def test_an_error_of_an_item_is_exit_code_10(rooms: Path) -> None:
    result, _ = create(rooms, "--job-id", JOB, respond=failing("b"))
    assert result.exit_code == 10
    assert json.loads(result.stdout.splitlines()[1]) == {
        "key": "b",
        "error": {"code": 3, "reason": ERROR_NAME, "message": "valid_from: no"},
    }
    assert result.stderr.startswith("2 succeeded, 1 failed.\n")
    assert f"--job-id {JOB}" in result.stderr


ERROR_NAME = "ERROR_REASON_REQUEST_INVALID"


def test_a_failed_call_has_its_exit_code(rooms: Path, tmp_path: Path) -> None:
    """The results before it are kept, and the same command continues."""
    output = tmp_path / "out"
    failure = FailedCall(grpc.StatusCode.UNAVAILABLE, "gone")
    result, _ = create(rooms, "--output", output, failure=failure)
    assert result.exit_code == 78
    assert "3 succeeded, 0 failed.\nRun the same command again" in result.stderr
    assert "Error: UNAVAILABLE" in result.stderr
    assert keys_of(output) == [None, "a", "b", "c"]


def test_a_second_run_skips_what_has_succeeded(rooms: Path, tmp_path: Path) -> None:
    """It has the job id of the first, which is the first line of the output."""
    output = tmp_path / "out"
    _, first = create(rooms, "--output", output, respond=failing("b"))
    header = json.loads(output.read_text().splitlines()[0])
    assert header == HEADER | {"jobId": first[0].job_id}
    result, second = create(rooms, "--output", output)
    assert [(request.key, request.job_id) for request in second] == [("b", header["jobId"])]
    assert result.stderr == "1 succeeded, 0 failed, 2 succeeded in an earlier run.\n"
    assert keys_of(output) == [None, "a", "b", "c", "b"]
    result, third = create(rooms, "--output", output)
    assert (result.exit_code, third) == (0, [])


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_sent_again(rooms: Path, tmp_path: Path, cut: int) -> None:
    output = tmp_path / "out"
    create(rooms, "--output", output)
    output.write_bytes(output.read_bytes()[:-cut])
    _, requests = create(rooms, "--output", output)
    assert [request.key for request in requests] == ["c"]
    assert keys_of(output) == [None, "a", "b", "c"]


def test_a_torn_job_id_is_replaced(rooms: Path, tmp_path: Path) -> None:
    """Nothing was sent with it."""
    output = tmp_path / "out"
    output.write_bytes(line(HEADER)[:-20].encode())
    _, requests = create(rooms, "--output", output)
    assert len(requests) == 3
    header = json.loads(output.read_text().splitlines()[0])
    assert header == HEADER | {"jobId": requests[0].job_id}
    assert requests[0].job_id != JOB


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (VALID + "\n", "has other content: pass a file that does not exist"),
        (line({"format": "rooms-gateway-bulk-delete/1"}), "has other content"),
        (line(HEADER | {"jobId": 7}), "has no valid job id"),
        (line({"format": HEADER["format"]}), "has no valid job id"),
        (line(HEADER) + "text\n", "line 2 is not a JSON object"),
    ],
)
def test_a_file_of_other_content_is_kept(
    rooms: Path, tmp_path: Path, content: str, error: str
) -> None:
    """Also the file of the items, given by mistake."""
    output = tmp_path / "out"
    output.write_text(content)
    result = run("rooms", "bulk-create", str(rooms), "--output", str(output))
    assert result.exit_code == 2
    assert error in result.stderr
    assert output.read_text() == content


def test_one_command_at_a_time_writes_a_file(rooms: Path, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = run("rooms", "bulk-create", str(rooms), "--output", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "out is in use by another process" in result.stderr


def test_an_unwritable_output_is_named(rooms: Path, tmp_path: Path) -> None:
    result = run("rooms", "bulk-create", str(rooms), "--output", str(tmp_path / "no" / "out"))
    assert result.exit_code == 2
    assert "--output: " in result.stderr
    assert "No such file" in result.stderr


def test_a_dry_run_is_no_success(rooms: Path, tmp_path: Path) -> None:
    """A later run creates the rooms."""
    output = tmp_path / "out"

    def shown(request: Any) -> BulkCreateRoomsResponse:
        response = CreateRoomResponse()
        response.rest_request.http_method = "POST"
        return BulkCreateRoomsResponse(key=request.key, response=response)

    flags = ("--dry-run", "--show-identifiers")
    result, requests = create(rooms, "--output", output, *flags, respond=shown)
    assert result.exit_code == 0
    assert all(request.request.dry_run.show_identifiers for request in requests)
    assert len(create(rooms, "--output", output)[1]) == 3


def test_job_ids_must_agree(tmp_path: Path) -> None:
    """Those of the file, the flag and the output."""
    item = f'{{"job_id":"{JOB}","key":"a","request":{{}}}}'
    file, output = write(tmp_path / "rooms", item), tmp_path / "out"
    _, [request] = create(file)
    assert request.job_id == JOB
    result = run("rooms", "bulk-create", str(file), "--job-id", OTHER_JOB)
    assert result.exit_code == 2
    assert f"the job id of the file is {JOB}, and that of --job-id is {OTHER_JOB}" in result.stderr
    output.write_text(line(HEADER | {"jobId": OTHER_JOB}))
    result = run("rooms", "bulk-create", str(file), "--output", str(output))
    assert f"and that of {output} is {OTHER_JOB}" in result.stderr


def delete(
    *arguments: str | Path, outcome: str = "response", **others: Any
) -> tuple[Result, list[BulkDeleteRoomsRequest]]:
    def respond(request: Any) -> BulkDeleteRoomsResponse:
        values: dict[str, Any] = {"response": DeleteRoomResponse(), "error": ERROR}
        key = request.key or request.request.room_id
        return BulkDeleteRoomsResponse(key=key, **{outcome: values[outcome]})

    command = ("rooms", "bulk-delete", *map(str, arguments))
    return bulk(*command, rpc="BulkDeleteRooms", respond=respond, **others)


def test_a_delete_is_resumed_by_room_id(tmp_path: Path) -> None:
    file = write(tmp_path / "rooms.csv", "room_id,key,allow_missing", "7,,", "8,eight,true")
    output = tmp_path / "out"
    result, requests = delete(file, "--output", output, outcome="error")
    assert result.exit_code == 10
    assert [(each.key, each.request.room_id) for each in requests] == [("", "7"), ("eight", "8")]
    assert [each.request.allow_missing for each in requests] == [False, True]
    result, requests = delete(file, "--output", output, "--allow-missing")
    assert result.exit_code == 0
    assert [each.request.allow_missing for each in requests] == [True, True]
    assert json.loads(output.read_text().splitlines()[0]) == {
        "format": "rooms-gateway-bulk-delete/1"
    }
    assert keys_of(output) == [None, *["7", "eight"] * 2]
    assert delete(file, "--output", output)[1] == []


def test_a_delete_is_confirmed_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "rooms.csv", "room_id", "7", "8")
    monkeypatch.setattr("rooms_gateway.cli.client.commands.flags._is_interactive", lambda: True)
    result = run("rooms", "bulk-delete", str(file), stdin="n\n")
    assert result.exit_code == 1
    assert "Delete 2 rooms? This cannot be undone." in result.stderr
    assert delete(file, "--yes")[0].exit_code == 0


def test_grpcurl_gets_many_items_on_its_input(tmp_path: Path) -> None:
    """A shell accepts no word of that length."""
    lines = [f'{{"key":"{number}","request":{{}}}}' for number in range(10_000)]
    file = write(tmp_path / "rooms", *lines)
    result = run("rooms", "bulk-create", str(file), "--job-id", JOB, "--print-grpcurl")
    assert result.exit_code == 0
    first, *items, last = result.stdout.splitlines()
    assert first == (
        "grpcurl -plaintext -d @ 127.0.0.1:50051 acs.rooms.v1.RoomsService/BulkCreateRooms <<'END'"
    )
    assert json.loads(items[0]) == {"job_id": JOB, "key": "0", "request": {}}
    assert (len(items), last) == (10_000, "END")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal() -> None:
    """It is updated at most ten times a second, makes room for lines, and is removed at the end."""
    now, stream = iter([0.0, 0.05, 0.15, 0.16, 0.3]), Terminal()
    progress = Progress(4, stream=stream, clock=lambda: next(now))
    for numbers in ((1, 0), (2, 0), (3, 0), (3, 1)):
        progress.show(*numbers)
    progress.report("a line")
    progress.close()
    assert stream.getvalue().split("\r") == [
        "",
        f"[{'#' * 15}{'.' * 15}] 2 of 4\x1b[K",
        f"[{'#' * 30}] 4 of 4, 1 failed\x1b[K",
        "\x1b[Ka line\n",
        "\x1b[K",
    ]


def test_progress_is_a_line_in_a_log() -> None:
    """Every ten seconds, without control characters."""
    now, stream = iter([0.0, 9.0, 11.0, 20.0, 21.5]), io.StringIO()
    progress = Progress(stream=stream, clock=lambda: next(now))
    for numbers in ((1, 0), (1, 1), (2, 1), (3, 1)):
        progress.show(*numbers)
    progress.report("a line")
    progress.close()
    assert stream.getvalue() == "2, 1 failed\n4, 1 failed\na line\n"
