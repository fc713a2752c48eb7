"""Reloads the policy of an authorizer when its files change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway.files import FollowedFile
from rooms_gateway.server.auth.authorizer import Authorizer, State
from rooms_gateway.server.auth.jwks import JwksClient
from rooms_gateway.server.auth.policy import Policy
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver

logger = logging.getLogger(__name__)


class ReloadingPolicy:
    """An authorizer by a policy that is reloaded, inside of `async with`.

    The policy, its tokens and its keys are reloaded together: if one of them is invalid, all keep
    their current values.
    """

    def __init__(
        self,
        path: Path,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """Read the policy. Raises PolicyError with all errors."""
        self._path = path
        self._observer = observer
        policy = read_policy(path)
        self._file = FollowedFile(
            policy,
            lambda: read_policy(path),
            apply=self._apply,
            report=self._report,
            sleep=sleep,
        )
        self.authorizer = Authorizer(State(policy))
        """Authorizes by the current policy; usable inside of `async with`."""

    async def reload(self) -> None:
        """Reload the files; invalid ones are logged once and change nothing."""
        await self._file.reload()

    async def _apply(self, policy: Policy) -> None:
        before = self.authorizer.state.keys
        keys = await self._keys_of(policy, before)
        self.authorizer.state = State(policy, keys)
        if before is not None and before is not keys:
            await before.close()
        self._observer.credential_event(CredentialEvent.CALLER_POLICY_READ)
        logger.info("reloaded the policy from %s: %d callers", self._path, len(policy.callers))

    async def _keys_of(self, policy: Policy, current: JwksClient | None) -> JwksClient | None:
        """Return the client for the JWKS of `policy`, if it has one.

        Raises PolicyError if no keys can be fetched.
        """
        url = None if policy.jwt is None else policy.jwt.keys_url
        if url is None:
            return None
        if current is not None and current.url == url:
            return current
        keys = JwksClient(url, observer=self._observer)
        await keys.refresh()
        if not keys.keys:
            raise PolicyError([f"{self._path}: jwt.keys-url: no keys could be loaded from {url}"])
        keys.start()
        return keys

    def _report(self, error: str) -> None:
        self._observer.credential_event(CredentialEvent.CALLER_POLICY_UNUSABLE)
        logger.warning("%s; keeping the current policy", error)

    async def __aenter__(self) -> Self:
        """Fetch the JWKS if it is at a URL, and start to follow the files. Raises PolicyError."""
        policy = self.authorizer.state.policy
        self.authorizer.state = State(policy, await self._keys_of(policy, None))
        await self._file.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._file.__aexit__(kind, error, trace)
        if self.authorizer.state.keys is not None:
            await self.authorizer.state.keys.close()
