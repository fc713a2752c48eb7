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


async def test_a_hundred_calls_that_are_refused_at_once_cost_one_new_token_and_none_fails(
    running: Running, issuer: Issuer
) -> None:
    await create(running)
    issuer.valid.clear()
    issuer.delay = 0.2
    await asyncio.gather(*(create(running) for _ in range(100)))
    assert len(issuer.requests) == 2


async def test_a_service_that_refuses_every_token_does_not_make_the_issuer_busy(
    running: Running, emulator: Emulator, issuer: Issuer
) -> None:
    emulator.authenticator.bearer = None
    failures = [await failure_of(running.rooms.CreateRoom(CreateRoomRequest())) for _ in range(20)]
    assert {failed.reason for failed in failures} == {"GATEWAY_CREDENTIAL_REJECTED"}
    assert failures[0].metadata["attempts"] == "2"
    assert len(issuer.requests) == 2


async def test_a_token_is_renewed_ahead_of_its_end(
    running: Running, issuer: Issuer, clock: ShiftedClock, emulator: Emulator
) -> None:
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2, 20)
    issuer.valid.discard("canary-token-1")
    await create(running)
    assert running.requests() == len(emulator.journal) == 1


async def test_the_issuers_own_advice_when_to_renew_is_followed(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.life = 86_400
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    async with gateway_with(emulator, MANAGED, tokens):
        clock.ahead = 86_400 / 2 + 10
        await until(lambda: len(issuer.requests) == 2, 20)


@pytest.mark.proves("S55")
async def test_an_outage_of_the_issuer_is_survived_while_the_token_lives(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.outage = True
    clock.ahead = issuer.life - 200
    await until(lambda: len(issuer.requests) >= 2, 20)
    await create(running)
    issuer.outage = False
    clock.ahead += 60
    await until(lambda: len(issuer.valid) == 2, 20)
    await create(running)


async def test_an_issuer_that_fails_is_asked_again_after_longer_and_longer_waits(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    del running
    issuer.outage = True
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2, 20)
    for failures in range(1, 5):
        clock.ahead += 2**failures
        await until(lambda: len(issuer.requests) >= 2 + failures, 20)  # noqa: B023 - awaited in here
    asked = len(issuer.requests)
    await asyncio.sleep(0.2)
    assert len(issuer.requests) == asked


async def test_when_the_token_has_expired_calls_fail_typed_and_nothing_is_sent(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.outage = True
    clock.ahead = issuer.life + 1
    failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "0"
    assert running.requests() == 0


async def test_a_call_waits_for_a_new_token_no_longer_than_its_deadline(
    running: Running, issuer: Issuer
) -> None:
    issuer.valid.clear()
    issuer.delay = 30
    started = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.CreateRoom(CreateRoomRequest(), timeout=0.3)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 5


@pytest.mark.proves("S56")
async def test_neither_tokens_nor_what_the_issuer_says_are_logged_or_shown(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock, caplog: pytest.LogCaptureFixture
) -> None:
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
