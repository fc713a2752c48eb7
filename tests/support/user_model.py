"""Rules of a state machine for users and their access tokens, which other rules can extend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import TypeAlias, TypeVar

import grpc
import hypothesis.strategies as st
from acs.identity.v1 import users_pb2 as users_pb
from acs.rooms.v1 import access_tokens_pb2 as tokens_pb
from google.protobuf.duration_pb2 import Duration
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.upstream.versions import WITH_CUSTOM_IDS
from support.fast_gateway import Quick, quick_gateway
from support.gateways import failure_of, upstream_of
from support.samples import communication_user, user
from support.signed_requests import parts

Result = TypeVar("Result")
Options: TypeAlias = tuple[set[tokens_pb.TokenScope.ValueType], int]

FAULTS = (
    Fault(drop="before"),
    Fault(drop="after"),
    Fault(status=503),
    Fault(status=500),
    Fault(truncate=3),
    Fault(drop="after", count=2),
)
"""Faults that an idempotent call survives.

No 429: the pacer would hold back the next steps in real time; throttling has tests in virtual time.
"""

FAULT = st.none() | st.sampled_from(FAULTS)

SCOPES = {
    tokens_pb.TOKEN_SCOPE_VOIP_JOIN: "voip.join",
    tokens_pb.TOKEN_SCOPE_VOIP: "voip",
    tokens_pb.TOKEN_SCOPE_CHAT: "chat",
}
OPTIONS = st.tuples(st.sets(st.sampled_from([*SCOPES]), min_size=1), st.integers(60, 1440))
"""Scopes and lifetime in minutes of a token."""


class UserMachine(RuleBasedStateMachine):
    """Calls on users in any order, some with a fault that retries must hide."""

    users = Bundle("users")
    deleted_users = Bundle("deleted_users")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.parts = AsyncExitStack()
        self.custom_ids: dict[str, str] = {}
        """Custom id of each user, by raw id; empty without one."""
        self.with_tokens: set[str] = set()
        self.orphans: set[str] = set()
        """Users of lost responses."""
        self.run(self.start())

    async def start(self) -> None:
        # Small pages, so that lists have several.
        self.emulator = await self.parts.enter_async_context(Emulator(participants_page_size=2))
        self.gateway: Quick = await self.parts.enter_async_context(
            quick_gateway(upstream_of(self.emulator), identity_api_version=WITH_CUSTOM_IDS)
        )

    def teardown(self) -> None:
        self.run(self.parts.aclose())
        self.runner.close()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await awaitable

        return self.runner.run(wait())

    def inject(self, fault: Fault | None) -> None:
        """Inject `fault` as the only fault; None: no fault."""
        self.emulator.faults.clear()
        if fault is not None:
            self.emulator.faults.add(fault)

    @rule(
        target=users,
        custom_id=st.sampled_from(["", "", "alice", "bob"]),
        options=st.none() | OPTIONS,
        fault=FAULT,
    )
    def create_user(
        self, *, custom_id: str, options: Options | None, fault: Fault | None
    ) -> str | MultipleResults[str]:
        # A token in a lost response would remain valid, so such a create is not repeated.
        self.inject(fault if custom_id or options is None else None)
        request = users_pb.CreateUserRequest(custom_id=custom_id)
        if options is not None:
            request.token_options.CopyFrom(_token_options(options))
        before = self._stored()
        created = self.run(self.gateway.identity.CreateUser(request))
        raw_id = created.user.raw_id
        assert created.user.identifier == communication_user(raw_id)
        orphans = self._stored() - before - {raw_id}
        assert created.possible_orphan or not orphans
        assert not (custom_id and orphans)
        self.orphans |= orphans
        known = {raw for raw, custom in self.custom_ids.items() if custom and custom == custom_id}
        assert (raw_id in before) == bool(known)
        assert known <= {raw_id}
        self.custom_ids[raw_id] = custom_id
        assert created.HasField("access_token") == (options is not None)
        if options is not None:
            self._check_token(created.access_token, raw_id, options)
        return multiple() if known else raw_id

    @rule(raw_id=users, options=OPTIONS, fault=FAULT)
    def issue_token(self, *, raw_id: str, options: Options, fault: Fault | None) -> None:
        self.inject(fault)
        request = users_pb.IssueTokenRequest(
            user=users_pb.User(raw_id=raw_id), token_options=_token_options(options)
        )
        token = self.run(self.gateway.identity.IssueToken(request)).access_token
        self._check_token(token, raw_id, options)

    @rule(raw_id=users, fault=FAULT)
    def revoke_tokens(self, *, raw_id: str, fault: Fault | None) -> None:
        self.inject(fault)
        request = users_pb.RevokeTokensRequest(user=users_pb.User(raw_id=raw_id))
        self.run(self.gateway.identity.RevokeTokens(request))

    @rule(target=deleted_users, raw_id=consumes(users), allow_missing=st.booleans(), fault=FAULT)
    def delete_user(self, *, raw_id: str, allow_missing: bool, fault: Fault | None) -> str:
        self.inject(fault)
        # Succeeds also if the first response is lost and the retry finds no user.
        request = users_pb.DeleteUserRequest(
            user=users_pb.User(raw_id=raw_id), allow_missing=allow_missing
        )
        self.run(self.gateway.identity.DeleteUser(request))
        del self.custom_ids[raw_id]
        self.with_tokens.discard(raw_id)
        return raw_id

    @rule(
        raw_id=deleted_users | st.just(user(1)), kind=st.sampled_from(["issue", "revoke", "delete"])
    )
    def call_on_a_deleted_user(self, *, raw_id: str, kind: str) -> None:
        """Call with a deleted user, or one of another resource."""
        # After a lost response, a 404 for the retry of a delete would be a success.
        self.inject(None)
        named, identity = users_pb.User(raw_id=raw_id), self.gateway.identity
        calls: dict[str, Awaitable[object]] = {
            "issue": identity.IssueToken(users_pb.IssueTokenRequest(user=named)),
            "revoke": identity.RevokeTokens(users_pb.RevokeTokensRequest(user=named)),
            "delete": identity.DeleteUser(users_pb.DeleteUserRequest(user=named)),
        }
        failed = self.run(failure_of(calls[kind]))
        foreign = "OF_ANOTHER_RESOURCE" if raw_id == user(1) else "NOT_FOUND"
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.NOT_FOUND,
            f"ERROR_REASON_USER_{foreign}",
        )

    @invariant()
    def the_users_equal_the_model(self) -> None:
        assert self._stored() == {*self.custom_ids, *self.orphans}
        for raw_id, custom_id in self.custom_ids.items():
            stored = self.emulator.identities.get(raw_id)
            assert (stored.custom_id or "") == custom_id
            assert (stored.last_token_issued_at is not None) == (raw_id in self.with_tokens)

    def _check_token(self, token: tokens_pb.AccessToken, raw_id: str, options: Options) -> None:
        scopes, minutes = options
        claims = parts(token.token)[1]
        assert f"8:{claims['skypeid']}" == raw_id
        assert {*claims["acsScope"].split(",")} == {SCOPES[scope] for scope in scopes}
        assert claims["exp"] - claims["iat"] == minutes * 60
        assert claims["exp"] == token.expires_at.seconds
        self.with_tokens.add(raw_id)

    def _stored(self) -> set[str]:
        return {each.id for each in self.emulator.identities.state().users}


def _token_options(options: Options) -> tokens_pb.TokenOptions:
    scopes, minutes = options
    return tokens_pb.TokenOptions(scopes=sorted(scopes), lifetime=Duration(seconds=minutes * 60))
