from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.signed_requests import NOW, Client, Preview, client_session

from rooms_emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Start an emulator with small pages of participants, so that both lists have several."""
    async with Emulator(participants_page_size=4) as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with client_session() as session:
        yield Client(session, emulator.endpoint)


@pytest.fixture
async def preview() -> AsyncIterator[Preview]:
    """Start an emulator that supports the preview too, and a client of the preview."""
    async with (
        Emulator(legacy=True, clock=lambda: NOW, date_margin=10**10) as emulator,
        client_session() as session,
    ):
        yield Preview(Client(session, emulator.endpoint))
