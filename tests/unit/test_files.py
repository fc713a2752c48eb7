"""Bounded reads of files, and values that follow them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rooms_gateway.files import (
    POLL_INTERVAL,
    ErrorReporter,
    FollowedFile,
    ascii_text,
    read_content,
    read_protected,
)

# --- the reader -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda _: None, "cannot read {path}: No such file or directory"),
        (lambda path: path.mkdir(), "cannot read {path}: Is a directory"),
        (lambda path: path.write_bytes(b"secret5"), "{path} is too large: the limit is 6 bytes"),
        (lambda path: path.write_bytes(b"\xffcret"), "{path} is not ASCII text"),
    ],
    ids=["missing", "directory", "too large", "not ASCII"],
)
def test_unreadable_file_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], object], error: str
) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(ValueError, match="file") as raised:
        ascii_text(read_content(path, 6).data, path)
    assert str(raised.value) == error.format(path=path)


def test_file_of_the_maximum_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    assert read_content(path, 6).data == b"secret"


def test_invalid_file_name_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^cannot read 'a\\x00b': not a file name$"):
        read_content(Path("a\0b"))


def test_repr_does_not_show_the_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"secret")
    assert repr(read_content(path)) == "FileContent(6 bytes)"


@pytest.mark.parametrize(
    ("mode", "secret", "error"),
    [
        (0o644, False, None),
        (0o640, True, None),
        (0o660, True, None),
        (0o646, False, "is writable by all users: run chmod o-w on it"),
        (0o604, True, "contains secrets and is readable by all users: run chmod o-r on it"),
        (0o602, True, "is writable by all users"),
    ],
)
def test_permissions_of_other_users(
    tmp_path: Path, mode: int, error: str | None, *, secret: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    path.chmod(mode)
    if error is None:
        assert read_protected(path, secret=secret) == b"text"
    else:
        with pytest.raises(ValueError, match=error):
            read_protected(path, secret=secret)


# --- errors that are reported once ----------------------------------------------------------------


def test_error_is_reported_once_until_it_changes() -> None:
    reported: list[str] = []
    errors = ErrorReporter(reported.append)
    for error in ("a", "a", "b", "b", "a"):
        errors.failed(error)
    assert reported == ["a", "b", "a"]
    errors.succeeded()
    errors.failed("a")
    assert reported == ["a", "b", "a", "a"]


# --- values that follow a file --------------------------------------------------------------------


class Followed:
    """A followed file with the text of a number, and all that it applied and reported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.applied: list[int] = []
        self.reported: list[str] = []
        self.file = FollowedFile(
            self.read(), self.read, apply=self.apply, report=self.reported.append, sleep=self.sleep
        )
        self.sleeps: asyncio.Queue[float] = asyncio.Queue()
        self.wake = asyncio.Semaphore(0)

    def read(self) -> int:
        try:
            return int(read_content(self.path, 8).data)
        except ValueError as error:
            raise ValueError(str(error).partition(":")[0]) from None

    async def apply(self, value: int) -> None:
        if value < 0:
            raise ValueError("negative")
        self.applied.append(value)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.put_nowait(seconds)
        await self.wake.acquire()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    path = tmp_path / "file"
    path.write_text("1")
    return Followed(path)


async def test_unchanged_file_is_not_applied_again(followed: Followed) -> None:
    followed.path.write_text(" 1 ")
    await followed.file.reload()
    assert (followed.applied, followed.file.value, followed.file.reads) == ([], 1, 1)


async def test_changed_file_is_applied(followed: Followed) -> None:
    followed.path.write_text("2")
    await followed.file.reload()
    assert (followed.applied, followed.file.value) == ([2], 2)


async def test_replaced_file_is_applied(followed: Followed) -> None:
    new = followed.path.with_suffix(".new")
    new.write_text("2")
    new.replace(followed.path)
    await followed.file.reload()
    assert followed.file.value == 2


async def test_swapped_kubernetes_directory_is_applied(tmp_path: Path) -> None:
    """Kubernetes mounts `file -> ..data/file`, and replaces the link `..data` on a change."""
    for number in (1, 2):
        (tmp_path / f"..version-{number}").mkdir()
        (tmp_path / f"..version-{number}" / "file").write_text(str(number))
    (tmp_path / "..data").symlink_to("..version-1")
    (tmp_path / "file").symlink_to("..data/file")
    followed = Followed(tmp_path / "file")
    (tmp_path / "..data_tmp").symlink_to("..version-2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    await followed.file.reload()
    assert followed.applied == [2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("2" * 9),
        lambda path: path.write_text("?"),
        lambda path: path.write_text("-1"),
    ],
    ids=["missing", "too large", "malformed", "rejected by apply"],
)
async def test_invalid_file_keeps_the_current_value(
    followed: Followed, damage: Callable[[Path], object]
) -> None:
    damage(followed.path)
    for _ in range(3):
        await followed.file.reload()
    assert (followed.applied, followed.file.value) == ([], 1)
    assert len(followed.reported) == 1
    followed.path.write_text("2")
    await followed.file.reload()
    assert followed.applied == [2]
    damage(followed.path)
    await followed.file.reload()
    assert len(followed.reported) == 2


async def test_error_is_resolved_by_the_old_content(followed: Followed) -> None:
    for _ in range(2):
        followed.path.write_text("?")
        await followed.file.reload()
        followed.path.write_text("1")
        await followed.file.reload()
    assert (followed.applied, len(followed.reported)) == ([], 2)


async def test_file_is_polled_in_the_background(followed: Followed) -> None:
    async with followed.file:
        assert await followed.sleeps.get() == POLL_INTERVAL
        followed.path.write_text("2")
        followed.wake.release()
        await followed.sleeps.get()
        assert followed.applied == [2]
    followed.wake.release()
    await asyncio.sleep(0)
    assert followed.file.reads == 1


async def test_concurrent_reloads_share_a_later_read() -> None:
    """A running read may have seen the file before its change: it serves its own caller only."""
    started, finish = threading.Event(), threading.Event()
    values = iter([1, 2])

    def read() -> int:
        value = next(values)
        started.set()
        assert finish.wait(10)
        return value

    async def apply(value: int) -> None:
        applied.append(value)

    applied: list[int] = []
    file = FollowedFile(0, read, apply=apply, report=applied.append)  # type: ignore[arg-type]
    first = asyncio.create_task(file.reload())
    await asyncio.to_thread(started.wait, 10)
    later = [asyncio.create_task(file.reload()) for _ in range(5)]
    await asyncio.sleep(0)
    finish.set()
    await asyncio.gather(first, *later)
    assert (applied, file.reads) == ([1, 2], 2)
