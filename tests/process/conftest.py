from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rooms_emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator
