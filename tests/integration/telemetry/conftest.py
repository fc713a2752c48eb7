from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.gateways import Running, gateway_for

from rooms_emulator import Emulator


@pytest.fixture
async def watched(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway with an admin listener that gives up after two attempts."""
    async with gateway_for(
        emulator, admin_listen="127.0.0.1:0", max_attempts=2, max_pacing_wait=0
    ) as running:
        yield running
