from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from legacy import STABLE, Legacy, serving
from quick import Quick, quick_gateway
from running import Running, gateway_before, upstream_of

from gateway.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
async def running(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_before(emulator) as running:
        yield running


@pytest.fixture
async def once(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway that never repeats a REST request."""
    async with gateway_before(emulator, max_attempts=1) as running:
        yield running


@pytest.fixture
async def quick(emulator: Emulator) -> AsyncIterator[Quick]:
    """Run a gateway that repeats REST requests without waiting."""
    async with quick_gateway(upstream_of(emulator)) as quick:
        yield quick


@pytest.fixture
def version() -> str:
    """Name the api-version that `legacy` speaks to the service; a test may say another."""
    return STABLE


@pytest.fixture
async def legacy(version: str) -> AsyncIterator[Legacy]:
    """Run a gateway with the preview's operations."""
    async with serving(version) as legacy:
        yield legacy
