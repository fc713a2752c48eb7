"""The access keys of a resource: which of them signs, and what a rotation changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway.files import FollowedFile
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver
from rooms_gateway.upstream.credentials.access_key import AccessKey
from rooms_gateway.upstream.credentials.key_file import read_key_file
from rooms_gateway.upstream.credentials.protocol import Signer

logger = logging.getLogger(__name__)


class AccessKeys:
    """One or two access keys, reloaded from their file if there is one.

    A key that was in use and is no longer in the file is kept as a last resort, because the file
    may be ahead of the Rooms service.
    """

    def __init__(
        self,
        keys: Collection[bytes],
        file: Path | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """Start with the decoded `keys`, at least one, in order of preference."""
        self._keys = tuple(AccessKey(key) for key in keys)
        self._preferred = self._keys[0]
        self._retired: AccessKey | None = None
        self._path = file
        self._observer = observer
        self._file = (
            None
            if file is None
            else FollowedFile(
                tuple(keys),
                lambda: read_key_file(file),
                apply=self._replace,
                report=self._report,
                sleep=sleep,
            )
        )

    def __repr__(self) -> str:
        return f"AccessKeys({len(self._keys)} keys, file={str(self._path)!r})"

    @property
    def signer(self) -> AccessKey:
        """The key that the upstream accepted last, initially the first one."""
        return self._preferred

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a key that is not among `rejected`, or None. Reloads the file first."""
        # Another call may have switched keys while this one was in flight.
        if self._preferred in rejected:
            await self.reload()
        candidates = (self._preferred, *self._keys, self._retired)
        return next((key for key in candidates if key is not None and key not in rejected), None)

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
        """Reload the file; an invalid file is logged once and changes nothing."""
        if self._file is not None:
            await self._file.reload()

    async def _replace(self, keys: tuple[bytes, ...]) -> None:
        self._keys = tuple(AccessKey(key) for key in keys)
        if self._preferred not in self._keys:
            self._retired = self._preferred
            self._preferred = self._keys[0]
        self._observer.credential_event(CredentialEvent.KEY_FILE_READ)
        logger.info("reloaded %d access key(s) from %s", len(keys), self._path)

    def _report(self, error: str) -> None:
        self._observer.credential_event(CredentialEvent.KEY_FILE_UNUSABLE)
        logger.warning("%s; keeping the current access keys", error)

    async def __aenter__(self) -> Self:
        if self._file is not None:
            await self._file.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            await self._file.__aexit__(kind, error, trace)
