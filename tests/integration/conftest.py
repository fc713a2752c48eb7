from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.authority import OURS, Files
from support.fast_gateway import Quick, quick_gateway
from support.gateways import Running, gateway_for, upstream_of
from support.legacy_gateway import STABLE, Legacy, serving

from rooms_emulator import Emulator


@pytest.fixture
async def once(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway that never repeats a REST request."""
    async with gateway_for(emulator, max_attempts=1, max_pacing_wait=0) as running:
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


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Certificate, key and client CA of our own authority, good for a listener."""
    return Files(tmp_path).write(OURS.issue(), OURS)
