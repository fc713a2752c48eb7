from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from calling import PolicyFiles, Signer

from rooms_emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def files(tmp_path: Path) -> PolicyFiles:
    return PolicyFiles(tmp_path)
