from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings
from support.gateways import Running, gateway_for
from support.tools import need

from rooms_emulator import Emulator

# A busy machine is no failure.
settings.register_profile("undisturbed", deadline=None)
settings.load_profile("undisturbed")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
async def running(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(emulator) as running:
        yield running


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Build what `@pytest.mark.needs` names, or skip."""
    for mark in item.iter_markers("needs"):
        for tool in mark.args:
            need(tool)
