"""Metrics of pacers, read at each scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.histogram import Histogram

_LABELS = ("family",)


class ObservedPacer(Protocol):
    """The numbers of a pacer."""

    @property
    def rate(self) -> float:
        """Requests per second that are sent; infinite: any."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        ...

    @property
    def paused_seconds(self) -> float:
        """Seconds that all requests were held back, since the process started."""
        ...

    @property
    def waits(self) -> Histogram:
        """Waits of requests, in seconds."""
        ...

    @property
    def rejected_calls(self) -> int:
        """Calls that ended because their request could not be sent in time."""
        ...


class PacerMetrics(Collector):
    """Exposes pacers, each with the name of its operation family."""

    def __init__(self, pacers: Iterable[tuple[str, ObservedPacer]]) -> None:
        self._pacers = tuple(pacers)

    def collect(self) -> Iterator[Metric]:
        """Return a metric of each kind, with a series for each family."""
        rate = GaugeMetricFamily(
            "rooms_gateway_pacer_rate",
            "Requests per second that are sent at most; infinite while nothing is throttled.",
            labels=_LABELS,
        )
        waiting = GaugeMetricFamily(
            "rooms_gateway_pacer_waiting", "Requests that wait for the pacer.", labels=_LABELS
        )
        paused = CounterMetricFamily(
            "rooms_gateway_pacer_paused_seconds",
            "Seconds in which all requests were held back.",
            labels=_LABELS,
        )
        waits = HistogramMetricFamily(
            "rooms_gateway_pacer_wait_seconds", "Waits of requests for the pacer.", labels=_LABELS
        )
        rejected = CounterMetricFamily(
            "rooms_gateway_pacer_rejected_calls",
            "Calls rejected because their request could not be sent in time.",
            labels=_LABELS,
        )
        for name, pacer in self._pacers:
            rate.add_metric((name,), pacer.rate)
            waiting.add_metric((name,), pacer.waiting)
            paused.add_metric((name,), pacer.paused_seconds)
            waits.add_metric((name,), list(pacer.waits.buckets()), pacer.waits.seconds)
            rejected.add_metric((name,), pacer.rejected_calls)
        yield from (rate, waiting, paused, waits, rejected)
