"""Files of JSON lines that a later run continues."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.cli.client.transfer.line_files import LineFile, read_stream

FORMAT = "test/1"


def content(file: LineFile) -> list[dict[str, object]]:
    return [dict(line) for _, line in file.read()]


def test_lines_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = LineFile(path, FORMAT)
    assert content(file) == []
    file.start({"a": 1})
    file.append([{"b": "ü\n"}, {"c": None}])
    file.close()
    again = LineFile(path, FORMAT)
    assert content(again) == [{"format": FORMAT, "a": 1}, {"b": "ü\n"}, {"c": None}]
    again.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_any_torn_end_is_left_out(tmp_path: Path) -> None:
    """Wherever a process was killed, what a later run appends is whole."""
    path = tmp_path / "file"
    file = LineFile(path, FORMAT)
    file.start({})
    file.append([{"n": 1}, {"n": 2}])
    file.close()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        file = LineFile(path, FORMAT)
        lines = [*file.read()]
        assert len(lines) == whole[:size].count(b"\n")
        if lines:
            file.cut(lines[-1][0])
        else:
            file.start({})
        file.append([{"n": 3}])
        assert [line for _, line in file.read()][len(lines) or 1 :] == [{"n": 3}]
        file.close()


@pytest.mark.parametrize(
    "text", ["precious", "\n", "{}\n", '{"format":"test/2"}\n', '{"format":"other', "a,b\n1,2\n"]
)
def test_other_files_are_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    file = LineFile(path, FORMAT)
    with pytest.raises(ValueError, match="has other content"):
        content(file)
    file.close()
    assert path.read_text() == text


def test_a_second_process_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = LineFile(path, FORMAT)
    with pytest.raises(ValueError, match="in use by another process"):
        LineFile(path, FORMAT)
    file.close()
    LineFile(path, FORMAT).close()


@pytest.mark.parametrize("name", ["", "no/such/folder"])
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"Is a directory|No such file"):
        LineFile(tmp_path / name, FORMAT)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110 - a device
def test_a_full_disk_is_reported() -> None:
    file = LineFile(Path("/dev/full"), FORMAT)
    with pytest.raises(click.FileError, match="No space left"):
        file.append([{"a": 1}])
    file.close()


@given(st.binary(max_size=60))
def test_any_bytes_are_lines_or_errors(data: bytes) -> None:
    numbers = [number for number, _ in read_stream(io.BytesIO(data))]
    assert numbers == [*range(1, data.count(b"\n") + 1)]


def test_the_number_of_a_malformed_line_is_reported() -> None:
    found = [line for _, line in read_stream(io.BytesIO(b'{"a":1}\n[]\n\xff\n{"b":2}'))]
    assert found[0] == {"a": 1}
    assert [str(each) for each in found[1:]] == [
        "line 2 is not a JSON object",
        "line 3 is not a JSON object",
    ]
