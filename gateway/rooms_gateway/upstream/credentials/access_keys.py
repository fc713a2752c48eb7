"""The access keys of a resource: selection of the key to sign with, and rotation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway import background
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver
from rooms_gateway.upstream.credentials.access_key import AccessKey
from rooms_gateway.upstream.credentials.key_file import read_key_file
from rooms_gateway.upstream.credentials.protocol import Signer

POLL_INTERVAL = 5.0
"""Interval of reading the key file, in seconds. A 401 causes an immediate read."""

logger = logging.getLogger(__name__)


class AccessKeys:
    """One or two access keys, optionally reloaded from a file.

    The file is compared by content, because Kubernetes swaps symbolic links and keeps times. An
    invalid file changes nothing. A preferred key that the file no longer contains stays the last
    resort, because the file may be updated before the upstream knows the new keys.
    """

    def __init__(
        self,
        keys: Collection[bytes],
        file: Path | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """`keys` are decoded, at least one, the preferred one first."""
        self._keys = tuple(AccessKey(key) for key in keys)
        self._preferred = self._keys[0]
        self._retired: AccessKey | None = None
        self._file = file
        self._file_error = ""
        self._read_lock = asyncio.Lock()
        self._reads_started = 0
        self._last_read = 0
        self._sleep = sleep
        self._observer = observer
        self._poller: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"AccessKeys({len(self._keys)} keys, file={str(self._file)!r})"

    @property
    def signer(self) -> AccessKey:
        """The key that the upstream accepted last; initially the first."""
        return self._preferred

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a key that is not among `rejected`, after a reload; None if there is none."""
        # Another call may have found the valid key during this attempt.
        if self._preferred in rejected:
            await self.reload()
        known = (self._preferred, *self._keys, self._retired)
        return next((key for key in known if key is not None and key not in rejected), None)

    def prefer(self, signer: Signer) -> None:
        """Use `signer` from now on, if it is still one of the keys."""
        for number, key in enumerate(self._keys, 1):
            if key == signer and key != self._preferred:
                self._preferred = key
                self._observer.credential_event(CredentialEvent.KEY_SWITCHED)
                logger.warning(
                    "the Rooms service rejected the access key in use; switched to key %d of %d",
                    number,
                    len(self._keys),
                )

    async def reload(self) -> None:
        """Read the file and use its keys; log an invalid file and keep the keys."""
        if self._file is None:
            return
        started_before = self._reads_started
        async with self._read_lock:
            # A read that starts after this call serves it; one in progress may predate a rotation.
            if self._last_read > started_before:
                return
            self._reads_started += 1
            number = self._reads_started
            try:
                keys = await asyncio.to_thread(read_key_file, self._file)
            except ValueError as error:
                self._report(str(error))
            else:
                self._file_error = ""
                self._replace(tuple(AccessKey(key) for key in keys))
            self._last_read = number

    def _replace(self, keys: tuple[AccessKey, ...]) -> None:
        if keys == self._keys:
            return
        self._keys = keys
        if self._preferred not in keys:
            self._retired = self._preferred
            self._preferred = keys[0]
        self._observer.credential_event(CredentialEvent.KEY_FILE_READ)
        logger.info("reloaded %d access key(s) from %s", len(keys), self._file)

    def _report(self, error: str) -> None:
        if error != self._file_error:
            self._observer.credential_event(CredentialEvent.KEY_FILE_UNUSABLE)
            logger.warning("%s; keeping the current access keys", error)
        self._file_error = error

    async def __aenter__(self) -> Self:
        if self._file is not None:
            self._poller = asyncio.create_task(
                background.every(POLL_INTERVAL, self.reload, self._sleep)
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await background.end(self._poller)
