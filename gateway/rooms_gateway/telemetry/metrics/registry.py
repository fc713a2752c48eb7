"""Prometheus metrics of one gateway, in a registry per gateway.

Names are those of gRPC dashboards (`grpc_server_*`), those of OpenTelemetry's semantic conventions,
and `rooms_gateway_*`. docs/how-to/observe.md lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.metrics.calls import CallMetrics
from rooms_gateway.telemetry.metrics.resources import ResourceCollector
from rooms_gateway.telemetry.observers import CredentialEvent, MethodKind, MethodObserver


class Metrics:
    """An `Observer` that counts, and the exposition of the counts."""

    def __init__(self, version: str, api_version: str) -> None:
        """`version` is that of the gateway, `api_version` that of the REST API."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauges = _ReadGauges()
        self._registry.register(self._gauges)
        self._calls = CallMetrics()
        self._registry.register(self._calls)
        self.resources = ResourceCollector()
        """The metrics of each resource, which are its observer."""
        self._registry.register(self.resources)
        # Also where the events of the caller policy and the audit log are counted.
        self._only = self.resources.of("")
        self._audit_failures = Counter(
            "rooms_gateway_audit_failures",
            "Lines of the audit log that could not be written.",
            registry=self._registry,
        )
        Gauge(
            "rooms_gateway_build_info",
            "Version of the gateway; always 1.",
            ("version", "api_version"),
            registry=self._registry,
        ).labels(version, api_version).set(1)

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float | None]) -> None:
        """Expose the value that `read` returns at each scrape; None exposes nothing."""
        self._gauges.add(name, meaning, read)

    def show_state(
        self,
        *,
        in_flight: Callable[[], float],
        queued: Callable[[], float],
        unread: Callable[[], float],
        streams: Callable[[], float],
        watches: Callable[[], float],
        reflection: Callable[[], float],
        certificate_expiry: Callable[[], float | None],
    ) -> None:
        """Expose gauges of the gateway's state."""
        self.add_gauge("rooms_gateway_calls_in_flight", "Calls in progress.", in_flight)
        self.add_gauge("rooms_gateway_calls_queued", "Calls in progress that wait.", queued)
        self.add_gauge(
            "rooms_gateway_unread_responses", "Unary responses that clients have not read.", unread
        )
        self.add_gauge(
            "rooms_gateway_list_streams", "Lists and bulk jobs that have a slot.", streams
        )
        self.add_gauge("rooms_gateway_health_watches", "Health watches.", watches)
        self.add_gauge("rooms_gateway_reflection_streams", "Reflection streams.", reflection)
        self.add_gauge(
            "rooms_gateway_certificate_expiry_timestamp_seconds",
            "Expiry of the TLS certificate in use.",
            certificate_expiry,
        )

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format for an Accept header, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(_WithoutCreated(self._registry)), content_type

    def of_method(self, service: str, method: str, kind: MethodKind) -> MethodObserver:
        """Return the observer of a method."""
        return self._calls.of_method(service, method, kind)

    def unknown_method(self) -> None:
        """Count a call of an unimplemented method."""
        self._calls.unknown_method()

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event of the caller policy."""
        self._only.credential_event(event)

    def audit_line_lost(self) -> None:
        """Count a line of the audit log that could not be written."""
        self._audit_failures.inc()

    def token_expires(self, at: float) -> None:
        """Record the expiry of a token of the only resource."""
        self._only.token_expires(at)


class _ReadGauges(Collector):
    """Gauges that are read at each scrape."""

    def __init__(self) -> None:
        self._sources: list[tuple[str, str, Callable[[], float | None]]] = []

    def add(self, name: str, meaning: str, read: Callable[[], float | None]) -> None:
        self._sources.append((name, meaning, read))

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, meaning, read in self._sources:
            value = read()
            if value is not None:
                yield GaugeMetricFamily(name, meaning, value)


class _WithoutCreated(Collector):
    """A registry without `_created` samples, which are a third of the output."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
            yield family
