"""Keeping a gate up to date with the files of its policy while they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway import aio
from rooms_gateway.server.auth.authorizer import Authorizer, State
from rooms_gateway.server.auth.jwks import JwksClient
from rooms_gateway.server.auth.policy import Policy
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver

POLL_INTERVAL = 5.0
"""Seconds between two looks at the files."""

logger = logging.getLogger(__name__)


class ReloadingPolicy:
    """A gate by the policy at a path, taken over while it changes, inside of `async with`.

    The policy, its tokens and its keys are one: all of them are usable, or nothing changes and the
    fault is logged once. They are compared by content: Kubernetes swaps symbolic links.
    """

    def __init__(
        self,
        path: Path,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """Read the policy. Raises PolicyError with every fault."""
        self._path = path
        self._sleep = sleep
        self._observer = observer
        self._fault = ""
        self._following: asyncio.Task[None] | None = None
        self.gate = Authorizer(State(read_policy(path)))
        """Judges by what is in force; usable inside of `async with`."""

    async def reload(self) -> None:
        """Take over what the files hold now; what cannot be used changes nothing and is logged."""
        before = self.gate.state
        try:
            policy = await asyncio.to_thread(read_policy, self._path)
            if policy.version == before.policy.version:
                self._fault = ""
                return
            keys = await self._keys_for(policy, before.keys)
        except PolicyError as error:
            self._complain(str(error))
            return
        self._fault = ""
        self.gate.state = State(policy, keys)
        if before.keys is not None and before.keys is not keys:
            await before.keys.close()
        self._observer.credential_event(CredentialEvent.CALLER_POLICY_READ)
        logger.info("judging by what is now in %s: %d callers", self._path, len(policy.callers))

    async def _keys_for(self, policy: Policy, current: JwksClient | None) -> JwksClient | None:
        """Return where the keys of `policy` come from. Raises PolicyError if there are none."""
        url = None if policy.jwt is None else policy.jwt.keys_url
        if url is None:
            return None
        if current is not None and current.url == url:
            return current
        keys = JwksClient(url, observer=self._observer)
        await keys.look_again()
        if not keys.keys:
            raise PolicyError([f"{self._path}: jwt.keys-url: there are no keys at {url}"])
        keys.follow()
        return keys

    def _complain(self, fault: str) -> None:
        if fault != self._fault:
            self._observer.credential_event(CredentialEvent.CALLER_POLICY_UNUSABLE)
            logger.warning("%s; going on with the policy from before", fault)
        self._fault = fault

    async def __aenter__(self) -> Self:
        """Fetch keys that come from a URL, and follow the files. Raises PolicyError."""
        policy = self.gate.state.policy
        self.gate.state = State(policy, await self._keys_for(policy, None))
        self._following = asyncio.create_task(aio.every(POLL_INTERVAL, self.reload, self._sleep))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await aio.cancel_and_wait(self._following)
        if self.gate.state.keys is not None:
            await self.gate.state.keys.close()
