"""Chromium, driven by Playwright. Tests that use it need the mark `needs("chromium")`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from shutil import which

from playwright.async_api import Browser, async_playwright

# Without these, it looks up hosts of its vendor at each start.
_FLAGS = ("--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's Chromium, without a window and with a new profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=which("chromium"), args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
