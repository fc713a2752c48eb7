"""What is wrong with the OTEL_* variables: told at the start, where the SDK would look away.

It logs a word and takes its default, or fails once the first spans should leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

MISSING = "--traces needs OpenTelemetry's libraries: pip install 'rooms-gateway[otel]'"

_RATIOS = ("traceidratio", "parentbased_traceidratio")

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "OTEL_TRACES_EXPORTER": ("otlp",),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("grpc",),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("none", "gzip", "deflate"),
    "OTEL_TRACES_SAMPLER": (
        *("always_on", "always_off", "parentbased_always_on", "parentbased_always_off"),
        *_RATIOS,
    ),
}

_NUMBERS = (
    *("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    *("OTEL_EXPORTER_OTLP_TIMEOUT",),
)

_FILES = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")


def tracing_faults(environment: Mapping[str, str]) -> list[str]:
    """Return one sentence for each fault; none repeats a value, since some of them are secret."""
    if not installed():
        return [MISSING]
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    faults = [
        f"{name} must be {_listed(choices)}"
        for plain, choices in _CHOICES.items()
        for name in _names(plain)
        if name in given and given[name].lower() not in choices
    ]
    faults += [
        f"{name} must be a whole number above 0"
        for plain in _NUMBERS
        for name in _names(plain)
        if name in given and not _above_0(given[name])
    ]
    faults += [
        f"{name} names no file"
        for kind in _FILES
        for name in _names(f"OTEL_EXPORTER_OTLP_{kind}")
        if name in given and not Path(given[name]).is_file()
    ]
    for name in _names("OTEL_EXPORTER_OTLP_ENDPOINT"):
        if name in given and not _is_origin(given[name]):
            faults.append(
                f"{name} must be http://HOST:PORT or https://HOST:PORT of an OTLP receiver for "
                "gRPC, which is 4317 by convention, without a path"
            )
    sampler = given.get("OTEL_TRACES_SAMPLER", "").lower()
    if sampler in _RATIOS and not _is_share(given.get("OTEL_TRACES_SAMPLER_ARG", "")):
        faults.append(f"OTEL_TRACES_SAMPLER_ARG must be a share from 0 to 1 for {sampler}")
    batch, queue = (
        _above_0(given.get(f"OTEL_BSP_MAX_{what}", default))
        for what, default in (("EXPORT_BATCH_SIZE", "512"), ("QUEUE_SIZE", "2048"))
    )
    if batch and queue and batch > queue:
        faults.append(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must not be above OTEL_BSP_MAX_QUEUE_SIZE, which is "
            "2048 by default"
        )
    return faults


def installed() -> bool:
    """Say whether the extra is there, without importing what it brings."""
    try:
        return all(
            find_spec(name)
            for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.grpc")
        )
    except ModuleNotFoundError:
        return False


def _above_0(text: str) -> int:
    """Read a whole number above 0; 0 if it is none, or one of more digits than anybody needs."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _names(name: str) -> tuple[str, ...]:
    """Return a variable's name and, where there is one, that of its form for traces alone."""
    start = "OTEL_EXPORTER_OTLP_"
    return (name, name.replace(start, f"{start}TRACES_")) if name.startswith(start) else (name,)


def _is_origin(text: str) -> bool:
    try:
        url = urlsplit(text)
        return bool(
            url.scheme in {"http", "https"}
            and url.hostname
            and url.port != 0
            and "@" not in url.netloc
            and url.path in {"", "/"}
            and not url.query
            and not url.fragment
        )
    except ValueError:
        return False


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _listed(choices: tuple[str, ...]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last
