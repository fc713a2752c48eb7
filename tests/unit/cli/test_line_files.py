"""Files of JSON lines that a later run continues."""

from __future__ import annotations

import io
import json
import resource
import stat
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.cli.client.line_files import LineFile, read_stream

FORMAT = "test/1"
JOB = "5f0c7e36-0b5e-4a1e-9c39-5a3a3f1c9a55"


def content(path: Path) -> tuple[Any, list[Any]]:
    """Return the header and the other lines."""
    with LineFile.open(path, FORMAT) as file:
        return file.header, [*file.read()]


def test_lines_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with LineFile.open(path, FORMAT) as file:
        assert (file.header, [*file.read()]) == ({}, [])
        file.begin({"a": 1})
        file.append({"b": "ü\n"}, {"c": None})
    assert content(path) == ({"format": FORMAT, "a": 1}, [{"b": "ü\n"}, {"c": None}])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_any_torn_end_is_left_out(tmp_path: Path) -> None:
    """Wherever a process was killed, what a later run appends is whole."""
    path = tmp_path / "file"
    with LineFile.open(path, FORMAT) as file:
        file.begin({})
        file.append({"n": 1}, {}, {"n": 2})
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with LineFile.open(path, FORMAT) as file:
            before = [*file.read()]
            assert bool(file.header) + len(before) == whole[:size].count(b"\n")
            file.begin({})
            file.append({"n": 3})
        assert content(path) == ({"format": FORMAT}, [*before, {"n": 3}])


def test_lines_after_the_last_end_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with LineFile.open(path, FORMAT) as file:
        file.begin({})
        file.append({"n": 1}, {"end": 1}, {"n": 2})
    with LineFile.open(path, FORMAT) as file:
        assert [*file.read(lambda line: "end" in line)] == [{"n": 1}, {"end": 1}, {"n": 2}]
        file.begin({})
    assert content(path)[1] == [{"n": 1}, {"end": 1}]


def test_a_file_that_is_read_only_is_unchanged(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Lines are written to standard output, as they are without a file, and no header."""
    path = tmp_path / "file"
    path.write_text(f'{{"format":"{FORMAT}"}}\n{{"n":1}}\n{{"n"')
    before = path.read_bytes()
    for where in (path, tmp_path / "none", None):
        with LineFile.open(where, FORMAT, read_only=True) as file:
            assert [*file.read()] == [{"n": 1}] * (where == path)
            file.begin({})
            file.append({"n": 2})
            assert not file.is_file
    assert (path.read_bytes(), (tmp_path / "none").exists()) == (before, False)
    assert capfdbinary.readouterr().out == b'{"n":2}\n' * 3


@pytest.mark.parametrize(
    "text", ["precious", "\n", "{}\n", '{"format":"test/2"}\n', '{"format":"other', "a,b\n1,2\n"]
)
def test_other_files_are_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(click.UsageError, match="has other content"):
        content(path)
    assert path.read_text() == text


def test_a_second_process_is_rejected(tmp_path: Path) -> None:
    """The first keeps its lock."""
    path = tmp_path / "file"
    with LineFile.open(path, FORMAT):
        for _ in range(2):
            with pytest.raises(click.UsageError, match="in use by another process"):
                content(path)
    content(path)


@pytest.mark.parametrize("name", ["", "no/such/folder"])
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(click.UsageError, match=r"--output: .*(Is a directory|No such file)"):
        content(tmp_path / name)


def test_a_line_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with LineFile.open(tmp_path / "file", FORMAT) as file:
        file.begin({})
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(click.FileError, match="File too large"):
                file.append({"a": 1})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_continues_its_job(tmp_path: Path) -> None:
    """A new one has that of the command, or a new one."""
    path = tmp_path / "file"
    with LineFile.open(path, FORMAT) as file:
        assert file.job_id(("--job-id", "")) != file.job_id()
        assert file.job_id(("--job-id", JOB)) == JOB
        file.begin({"jobId": JOB})
    with LineFile.open(path, FORMAT) as file:
        assert file.job_id(("--job-id", "")) == JOB
        with pytest.raises(click.UsageError, match=f"of --job-id is x, and that of .* is {JOB}"):
            file.job_id(("--job-id", "x"))


@pytest.mark.parametrize("header", [{}, {"jobId": 7}, {"jobId": None}, {"jobId": "7"}])
def test_a_malformed_job_id_is_an_error(tmp_path: Path, header: dict[str, object]) -> None:
    path = tmp_path / "file"
    path.write_text(json.dumps({"format": FORMAT, **header}, separators=(",", ":")) + "\n")
    with (
        LineFile.open(path, FORMAT) as file,
        pytest.raises(click.UsageError, match="has no valid job id"),
    ):
        file.job_id()


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
