from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Serve on a free port and, second, on a Unix socket, in front of an emulator."""
    listen = ("127.0.0.1:0", f"unix:{tmp_path}/socket")
    async with Gateway(Settings(upstream=None, api_version="2025-03-13", listen=listen)) as gateway:
        yield gateway
