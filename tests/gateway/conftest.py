from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from running import Running, gateway_before

from gateway.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
async def running(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_before(emulator) as running:
        yield running
