"""Exporter of spans that reports losses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

REPORT_INTERVAL = 60.0
"""Minimum interval of log lines on lost spans, in seconds."""

logger = logging.getLogger(__name__)


class LossReportingExporter(SpanExporter):
    """Wraps an exporter; logs how many spans were lost, at most once per REPORT_INTERVAL."""

    def __init__(self, exporter: SpanExporter, clock: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        self._next_report = -float("inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans`; count them as lost if that fails."""
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - an exception would end the thread of the SDK
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if self._clock() >= self._next_report:
                self._next_report = self._clock() + REPORT_INTERVAL
                logger.warning(
                    "cannot export traces to the OTLP receiver: %d spans lost so far (--log-level "
                    "debug shows the cause)",
                    self._lost,
                )
        return result

    def shutdown(self) -> None:
        """Abort the export in progress and export nothing more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the wrapped exporter; this one buffers nothing."""
        return self._exporter.force_flush(timeout_millis)
