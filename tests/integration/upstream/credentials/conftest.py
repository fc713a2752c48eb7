from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.entra_issuer import (
    MANAGED,
    NO_REPEATS,
    Issuer,
    ShiftedClock,
    gateway_with,
    issuing,
    moment,
)
from support.gateways import Running

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials.bearer import BearerTokens
from rooms_gateway.upstream.credentials.entra import entra_tokens


@pytest.fixture
async def issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuer]:
    """Run a managed identity endpoint like that of App Service and Container Apps."""
    async with issuing() as issuer:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{issuer.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "canary-header")
        yield issuer


@pytest.fixture
async def emulator(issuer: Issuer) -> AsyncIterator[Emulator]:
    async with Emulator(bearer=issuer.accepts) as emulator:
        yield emulator


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def running(
    issuer: Issuer, emulator: Emulator, clock: ShiftedClock
) -> AsyncIterator[Running]:
    """Run a gateway with a managed identity, and a token that expires by `clock`."""
    del issuer
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    async with gateway_with(emulator, MANAGED, tokens) as running:
        yield running
