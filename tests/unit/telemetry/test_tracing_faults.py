"""Settings of OpenTelemetry that would be passed over in silence are told at the start."""

from __future__ import annotations

import pytest

from rooms_gateway.telemetry.tracing_faults import tracing_faults

FINE = {
    "nothing": {},
    "an endpoint": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"},
    "one for traces": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://[::1]:4317/"},
    "empty values": {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_SAMPLER": " "},
    "a share": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
    "what others read": {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_SERVICE_NAME": "x"},
}

FAULTY = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        *("collector:4317", "http://collector:4318/v1/traces", "http://user:planted@collector"),
        *("ftp://collector", "http://", "http://collector:planted", "http://[planted"),
    ),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("planted",),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("http/protobuf", "planted"),
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": ("http/json",),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("planted",),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": ("/planted",),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("planted", "0", "-1", "inf"),
    "OTEL_TRACES_EXPORTER": ("console", "none"),
    "OTEL_TRACES_SAMPLER": ("planted",),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("planted", "0", "9" * 5000),
    "OTEL_BSP_SCHEDULE_DELAY": ("1.5",),
}


@pytest.mark.parametrize("environment", FINE.values(), ids=FINE)
def test_settings_that_the_sdk_obeys_are_fine(environment: dict[str, str]) -> None:
    assert tracing_faults(environment) == []


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in FAULTY.items() for value in values]
)
def test_a_fault_names_its_variable_and_does_not_repeat_the_value(name: str, value: str) -> None:
    [fault] = tracing_faults({name: value})
    assert fault.startswith(name)
    assert "planted" not in fault


@pytest.mark.parametrize("share", [None, "", "planted", "1.5", "nan"])
def test_a_sampler_of_a_share_needs_one(share: str | None) -> None:
    environment = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
    if share is not None:
        environment["OTEL_TRACES_SAMPLER_ARG"] = share
    [fault] = tracing_faults(environment)
    assert "OTEL_TRACES_SAMPLER_ARG" in fault


def test_a_batch_fits_into_the_queue() -> None:
    [fault] = tracing_faults({"OTEL_BSP_MAX_QUEUE_SIZE": "100"})
    assert "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" in fault


def test_all_faults_are_told_at_once() -> None:
    found = tracing_faults({"OTEL_TRACES_SAMPLER": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "x"})
    assert len(found) == 2
