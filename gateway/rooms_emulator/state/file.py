"""The file that keeps rooms and users between runs, whole even if the process is killed.

Each line is a JSON object with what changed since the line before; the first line contains
everything. Changes are appended. A file that has grown to twice its size is replaced by one line.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from rooms_emulator.identity.store import Identities, IdentitiesState
from rooms_emulator.rooms.records import Room
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.store import RoomsState, Store

_MIN_APPENDED = 1 << 20
"""Number of bytes to append before the file is replaced, so that small files rarely are."""


class StateFileError(ValueError):
    """A state file that cannot be read or written. The text has the cause and the remedy."""


class _State(RoomsState):
    """One line of the file."""

    identities: IdentitiesState | None = None
    """None in older files, which have rooms only."""
    creates: dict[str, Room] = msgspec.field(default_factory=dict)
    """Rooms by the id of the repeatable request that created them."""


class StateFile:
    """Keeps a file equal to the stores, from `open` to `close`, for one emulator at a time."""

    def __init__(
        self, path: str | Path, store: Store, identities: Identities, creates: RememberedCreates
    ) -> None:
        # The target of a symbolic link: the link is not to be replaced by a file.
        self._path = Path(os.path.realpath(path))
        self._store = store
        self._identities = identities
        self._creates = creates
        self._tracked = (store.changes, identities.changes, creates.changes)

    def open(self) -> None:
        """Replace the content of the stores by that of the file, if it has any.

        Raises StateFileError if the file is malformed, in use or not writable.
        """
        try:
            self._file = _lock(self._path)
            try:
                self._load()
                self._replace(self._encode_all())
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise self._error(error) from None
        for each in self._tracked:
            each.track()
        self._saved, self._intact = self._count(), True
        # One thread, so that a write begins when the previous one has ended.
        self._writer = ThreadPoolExecutor(1, "rooms-emulator-state-file")
        self._lock = asyncio.Lock()

    async def save(self) -> None:
        """Wait until all changes so far are on the disk; concurrent callers share a write.

        Raises StateFileError if they cannot be written; the next call tries again.
        """
        wanted = self._count()
        async with self._lock:
            if self._intact and self._saved >= wanted:
                return
            self._saved, intact, self._intact = self._count(), self._intact, False
            write, content = self._next_write(intact=intact)
            await self._run(write, content)
            self._intact = True

    async def close(self) -> None:
        """Save all changes as one line, and release the file.

        Raises StateFileError if they cannot be written.
        """
        for each in self._tracked:
            each.stop()
        try:
            await self._run(self._replace, self._encode_all())
        finally:
            self._writer.shutdown()
            os.close(self._file)

    async def _run(self, write: Callable[[bytes], None], content: bytes) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, write, content)
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> StateFileError:
        return StateFileError(
            f"cannot write the state file {self._path}: {error.strerror}: choose a file on a disk "
            "with free space, in a folder where this user can create and replace files"
        )

    def _count(self) -> int:
        return sum(each.count for each in self._tracked)

    def _next_write(self, *, intact: bool) -> tuple[Callable[[bytes], None], bytes]:
        """Return the function that writes the changes, and its argument."""
        cleared = any(each.cleared for each in self._tracked)
        state = _State(
            **msgspec.structs.asdict(self._store.changed_state()),
            identities=self._identities.changed_state(),
            creates=self._creates.changed_state(),
        )
        if cleared or not intact or self._appended > max(self._replaced, _MIN_APPENDED):
            return self._replace, self._encode_all()
        return self._append, _encode(state)

    def _encode_all(self) -> bytes:
        return _encode(
            _State(
                **msgspec.structs.asdict(self._store.state()),
                identities=self._identities.state(),
                creates=self._creates.state(),
            )
        )

    def _append(self, content: bytes) -> None:
        _write(self._file, content)
        self._appended += len(content)

    def _replace(self, content: bytes) -> None:
        """Replace the file atomically by one line."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        # It is there if a process was killed before it could rename the file.
        fresh.unlink(missing_ok=True)
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        file = os.open(fresh, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, mode)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(file, content)
            fresh.replace(self._path)
        except BaseException:
            os.close(file)
            with suppress(OSError):
                fresh.unlink()
            raise
        os.close(self._file)
        self._file = file
        self._replaced, self._appended = len(content), 0
        _sync_folder(self._path.parent)

    def _load(self) -> None:
        """Replace the content of the stores, unless the file is empty.

        Raises StateFileError if it is malformed.
        """
        first, *others = self._path.read_bytes().split(b"\n")
        if not (first or others):
            return
        # Without a line feed, the last line was never complete, and no response depends on it.
        states = [_decode(first, 1, self._path)]
        states += [_decode(each, i, self._path) for i, each in enumerate(others[:-1], start=2)]
        self._store.clear()
        self._identities.clear()
        self._creates.clear()
        for state in states:
            self._store.apply(state)
            if state.identities is not None:
                self._identities.apply(state.identities)
            self._creates.apply(state.creates)


def _encode(state: _State) -> bytes:
    return msgspec.json.encode(state) + b"\n"


def _decode(line: bytes, number: int, path: Path) -> _State:
    try:
        return msgspec.json.decode(line, type=_State)
    except ValueError as error:
        name = shlex.quote(str(path))
        remedy = f"to start without rooms, move it away: mv {name} {name}.broken"
        if number > 1:
            remedy = (
                f"to keep the state of the lines before, run head -n {number - 1} {name} "
                f"> {name}.whole, and pass that file; {remedy}"
            )
        raise StateFileError(
            f"{path} is not a state file of the emulator: line {number}: {error}: {remedy}"
        ) from None


def _lock(path: Path) -> int:
    """Open `path`, or create it, for one process at a time.

    Raises StateFileError if another process has it open, and OSError if it cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise StateFileError(f"{path} is not a regular file: choose another state file")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Else the other process has replaced the file since it was opened here.
        if not os.path.samestat(os.fstat(file), path.stat()):
            raise BlockingIOError
    except BlockingIOError:
        os.close(file)
        raise StateFileError(
            f"another emulator uses the state file {path}: stop that one, or choose another file"
        ) from None
    except BaseException:
        os.close(file)
        raise
    return file


def _write(file: int, content: bytes) -> None:
    """Write all of `content`, and wait until it is on the disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
