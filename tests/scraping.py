"""What a gateway tells operators over HTTP, as they ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of /metrics."""

    text: str
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    labels: Mapping[str, frozenset[str]]
    """Of each family, by the name that dashboards use, the names of its labels."""

    def value(self, name: str, **labels: str) -> float:
        """Return one sample; 0 if it is not there, as for a counter that never counted."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all samples that have `labels`, whatever else they have."""
        wanted = labels.items()
        return sum(v for (n, has), v in self.samples.items() if n == name and wanted <= set(has))

    def has(self, name: str) -> bool:
        """Say whether there is any sample of that name."""
        return any(name == sample for sample, _ in self.samples)


async def get(address: str | None, path: str, method: str = "GET") -> tuple[int, str]:
    """Ask an admin listener; return the status and the text."""
    assert address is not None
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
        session.request(method, f"http://{address}{path}") as response,
    ):
        return response.status, await response.text()


async def not_ready(address: str | None) -> None:
    """Return as soon as a gateway says that it is not ready."""
    async with asyncio.timeout(10):
        while (await get(address, "/readyz"))[0] == 200:  # noqa: ASYNC110 - nothing there tells of it
            await asyncio.sleep(0.005)


async def scrape(address: str | None) -> Scrape:
    """Read all metrics."""
    status, text = await get(address, "/metrics")
    assert status == 200
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    labels: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, key
            samples[key] = sample.value
            labels[name] = labels.get(name, frozenset()) | (sample.labels.keys() - {"le"})
    return Scrape(text, samples, labels)


async def settled(address: str | None) -> Scrape:
    """Read all metrics once no call is under way: a caller hears of its end before we count it."""
    async with asyncio.timeout(10):
        while (found := await scrape(address)).value("rooms_gateway_calls_in_flight"):  # noqa: ASYNC110 - nothing there tells of it
            await asyncio.sleep(0.005)
    return found
