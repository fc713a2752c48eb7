"""Metrics of pacers, read at each scrape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from rooms_gateway.telemetry.metrics.histogram import Histogram


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


class PacerFamilies:
    """One family of series for each number of a pacer."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        """`labels` precede that of the operation family."""
        labels = (*labels, "family")
        self._rate = GaugeMetricFamily(
            "rooms_gateway_pacer_rate",
            "Requests per second that are sent at most; infinite while nothing is throttled.",
            labels=labels,
        )
        self._waiting = GaugeMetricFamily(
            "rooms_gateway_pacer_waiting", "Requests that wait for the pacer.", labels=labels
        )
        self._paused = CounterMetricFamily(
            "rooms_gateway_pacer_paused_seconds",
            "Seconds in which all requests were held back.",
            labels=labels,
        )
        self._waits = HistogramMetricFamily(
            "rooms_gateway_pacer_wait_seconds", "Waits of requests for the pacer.", labels=labels
        )
        self._rejected = CounterMetricFamily(
            "rooms_gateway_pacer_rejected_calls",
            "Calls rejected because their request could not be sent in time.",
            labels=labels,
        )

    @property
    def families(self) -> tuple[Metric, ...]:
        """All families."""
        return (self._rate, self._waiting, self._paused, self._waits, self._rejected)

    def add(self, values: tuple[str, ...], pacers: Mapping[str, ObservedPacer]) -> None:
        """Add pacers, by the name of their operation family; `values` precede it."""
        for name, pacer in pacers.items():
            labels = (*values, name)
            self._rate.add_metric(labels, pacer.rate)
            self._waiting.add_metric(labels, pacer.waiting)
            self._paused.add_metric(labels, pacer.paused_seconds)
            self._waits.add_metric(labels, list(pacer.waits.buckets()), pacer.waits.seconds)
            self._rejected.add_metric(labels, pacer.rejected_calls)
