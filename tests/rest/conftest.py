from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from rooms_emulator import Emulator

# A busy machine is no failure.
settings.register_profile("undisturbed", deadline=None)
settings.load_profile("undisturbed")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator
