"""Entra ID tokens: expiry, rejection and failed renewals."""

from __future__ import annotations

import asyncio
import logging
import time

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.entra_issuer import (
    MANAGED,
    NO_REPEATS,
    Issuer,
    ShiftedClock,
    create,
    gateway_with,
    moment,
)
from support.gateways import Running, failure_of, until

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials.bearer import BearerTokens
from rooms_gateway.upstream.credentials.entra import entra_tokens


async def test_concurrent_401s_renew_the_token_once(running: Running, issuer: Issuer) -> None:
    """A rejected token is renewed once for 100 concurrent calls, and no call fails."""
    await create(running)
    issuer.valid.clear()
    issuer.delay = 0.2
    await asyncio.gather(*(create(running) for _ in range(100)))
    assert len(issuer.requests) == 2


async def test_rejected_tokens_are_renewed_once(
    running: Running, emulator: Emulator, issuer: Issuer
) -> None:
    """An upstream that rejects every token does not cause a token request per call."""
    emulator.authenticator.bearer = None
    failures = [await failure_of(running.rooms.CreateRoom(CreateRoomRequest())) for _ in range(20)]
    assert {failed.reason for failed in failures} == {"ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"}
    assert failures[0].metadata["attempts"] == "2"
    assert len(issuer.requests) == 2


async def test_a_token_is_renewed_before_it_expires(
    running: Running, issuer: Issuer, clock: ShiftedClock, emulator: Emulator
) -> None:
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2, 20)
    issuer.valid.discard("canary-token-1")
    await create(running)
    assert running.requests() == len(emulator.journal) == 1


async def test_the_advised_renewal_time_is_followed(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock
) -> None:
    """azure-identity advises to renew long-lived tokens at half of their lifetime."""
    issuer.life = 86_400
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    async with gateway_with(emulator, MANAGED, tokens):
        clock.ahead = 86_400 / 2 + 10
        await until(lambda: len(issuer.requests) == 2, 20)


@pytest.mark.proves("S55")
async def test_an_issuer_outage_fails_no_call(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    """Calls use the current token until it expires; the renewal follows the outage."""
    issuer.outage = True
    clock.ahead = issuer.life - 200
    await until(lambda: len(issuer.requests) >= 2, 20)
    await create(running)
    issuer.outage = False
    clock.ahead += 60
    await until(lambda: len(issuer.valid) == 2, 20)
    await create(running)


async def test_failed_renewals_back_off(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    """Each failed renewal doubles the wait before the next one."""
    del running
    issuer.outage = True
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2, 20)
    for failures in range(1, 5):
        clock.ahead += 2**failures
        await until(lambda: len(issuer.requests) >= 2 + failures, 20)  # noqa: B023 - awaited in here
    count = len(issuer.requests)
    await asyncio.sleep(0.2)
    assert len(issuer.requests) == count


async def test_an_expired_token_is_not_sent(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    """Calls fail with a reason instead, without an upstream request."""
    issuer.outage = True
    clock.ahead = issuer.life + 1
    failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "0"
    assert running.requests() == 0


async def test_the_deadline_bounds_the_wait_for_a_token(running: Running, issuer: Issuer) -> None:
    issuer.valid.clear()
    issuer.delay = 30
    started = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.CreateRoom(CreateRoomRequest(), timeout=0.3)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < issuer.delay


@pytest.mark.proves("S56")
async def test_tokens_are_redacted(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """No log line, repr or error contains a token or a secret from the issuer's error message."""
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    with caplog.at_level(logging.DEBUG):
        async with gateway_with(emulator, MANAGED, tokens) as running:
            await create(running)
            issuer.refusal = "AADSTS7000215: canary-secret"
            clock.ahead = issuer.life - 200
            await until(lambda: "AADSTS7000215" in caplog.text, 20)
            emulator.authenticator.bearer = None
            failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    shown = f"{tokens!r} {tokens.signer!r} {MANAGED!r} {failed.status}"
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("rooms_gateway", "azure"))]
    assert "canary" not in shown
    assert "canary" not in "".join(ours)
