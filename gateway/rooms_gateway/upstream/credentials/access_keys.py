"""The access keys of a resource: which of them to sign with, and what a rotation does to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway import aio
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver
from rooms_gateway.upstream.credentials.access_key import AccessKey
from rooms_gateway.upstream.credentials.key_file import read_key_file
from rooms_gateway.upstream.credentials.protocol import Signer

POLL_INTERVAL = 5.0
"""Seconds between two looks at the key file. A 401 looks at once."""

logger = logging.getLogger(__name__)


class AccessKeys:
    """One or two access keys, and the file that they come from if there is one.

    The file is compared by content: Kubernetes swaps symbolic links and keeps times. A file that
    cannot be used changes nothing. The key that was in use until the file dropped it stays a last
    resort, for the case that the file is ahead of the service.
    """

    def __init__(
        self,
        keys: Collection[bytes],
        file: Path | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """Take decoded `keys`, at least one, the preferred one first."""
        self._keys = tuple(AccessKey(key) for key in keys)
        self._preferred = self._keys[0]
        self._retired: AccessKey | None = None
        self._file = file
        self._fault = ""
        self._reading = asyncio.Lock()
        self._reads_begun = 0
        self._last_read = 0
        self._sleep = sleep
        self._observer = observer
        self._following: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"AccessKeys({len(self._keys)} keys, file={str(self._file)!r})"

    @property
    def signer(self) -> AccessKey:
        """The key that the service took last, or the first one."""
        return self._preferred

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a key that is not among `rejected`, after a look at the file; None if none is."""
        # Another call may have found the right one while this one was on its way.
        if self._preferred in rejected:
            await self.reload()
        known = (self._preferred, *self._keys, self._retired)
        return next((key for key in known if key is not None and key not in rejected), None)

    def prefer(self, signer: Signer) -> None:
        """Sign with `signer` from now on, if it is still one of the keys."""
        for number, key in enumerate(self._keys, 1):
            if key == signer and key != self._preferred:
                self._preferred = key
                self._observer.credential_event(CredentialEvent.KEY_SWITCHED)
                logger.warning(
                    "the service rejected the access key in use; going on with key %d of %d",
                    number,
                    len(self._keys),
                )

    async def reload(self) -> None:
        """Take over what the file holds now; what cannot be used changes nothing and is logged."""
        if self._file is None:
            return
        begun = self._reads_begun
        async with self._reading:
            # One read serves all who asked before it began; one that was already under way when
            # somebody asked may have seen the file as it was before the rotation.
            if self._last_read > begun:
                return
            self._reads_begun += 1
            number = self._reads_begun
            try:
                keys = await asyncio.to_thread(read_key_file, self._file)
            except ValueError as fault:
                self._complain(str(fault))
            else:
                self._fault = ""
                self._take(tuple(AccessKey(key) for key in keys))
            self._last_read = number

    def _take(self, keys: tuple[AccessKey, ...]) -> None:
        if keys == self._keys:
            return
        self._keys = keys
        if self._preferred not in keys:
            self._retired = self._preferred
            self._preferred = keys[0]
        self._observer.credential_event(CredentialEvent.KEY_FILE_READ)
        logger.info("read %d access key(s) from %s, which has changed", len(keys), self._file)

    def _complain(self, fault: str) -> None:
        if fault != self._fault:
            self._observer.credential_event(CredentialEvent.KEY_FILE_UNUSABLE)
            logger.warning("%s; going on with the access keys from before", fault)
        self._fault = fault

    async def __aenter__(self) -> Self:
        if self._file is not None:
            self._following = asyncio.create_task(
                aio.every(POLL_INTERVAL, self.reload, self._sleep)
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await aio.cancel_and_wait(self._following)
