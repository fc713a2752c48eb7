"""Receivers of telemetry: OTLP, and the admin listener read over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Pb
from prometheus_client.parser import text_string_to_metric_families

Value = str | int

SERVER = Pb.SPAN_KIND_SERVER
CLIENT = Pb.SPAN_KIND_CLIENT


@dataclass(frozen=True, slots=True)
class Span:
    """One span, as it arrived."""

    pb: Pb

    @property
    def attributes(self) -> dict[str, Value]:
        """All attributes."""
        return read(self.pb.attributes)

    @property
    def trace_id(self) -> str:
        return self.pb.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.pb.span_id.hex()

    @property
    def parent_id(self) -> str:
        """Empty at the root."""
        return self.pb.parent_span_id.hex()

    @property
    def traceparent(self) -> str:
        """What a service is told that is called in this span."""
        # What arrives was sampled; the other flags do not arrive.
        return f"00-{self.trace_id}-{self.span_id}-01"

    @property
    def failed(self) -> bool:
        """Whether it is marked as an error."""
        return self.pb.status.code == self.pb.status.STATUS_CODE_ERROR


def read(attributes: Any) -> dict[str, Value]:
    """Return attributes as a dictionary; none of ours are neither text nor whole numbers."""
    found: dict[str, Value] = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        assert kind in {"string_value", "int_value"}, each
        assert each.key not in found
        found[each.key] = getattr(each.value, kind)
    return found


@dataclass(slots=True)
class Receiver:
    """What has arrived, and where it arrives."""

    address: str = ""
    resources: list[ResourceSpans] = field(default_factory=list)
    metadata: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send traces here, without delay."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "20",
        }

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they began."""
        found = [
            Span(pb) for each in self.resources for scope in each.scope_spans for pb in scope.spans
        ]
        return sorted(found, key=lambda span: span.pb.start_time_unix_nano)

    @property
    def calls(self) -> list[Span]:
        """The spans of gRPC calls."""
        return [span for span in self.spans if span.pb.kind == SERVER]

    @property
    def attempts(self) -> list[Span]:
        """The spans of REST requests."""
        return [span for span in self.spans if span.pb.kind == CLIENT]

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        self.resources.extend(request.resource_spans)
        self.metadata.append(dict(context.invocation_metadata()))
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Receive on a free port of this machine."""
    server = grpc.aio.server()
    state = Receiver()
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(state, server)  # type: ignore[no-untyped-call] # generated without types
    state.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield state
    finally:
        await server.stop(None)


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
        while (await get(address, "/readyz"))[0] == 200:
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
        while (found := await scrape(address)).value("rooms_gateway_calls_in_flight"):
            await asyncio.sleep(0.005)
    return found
