"""Traces of a gateway process: `--traces`, its errors, and a collector that does not respond."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.collectors import receiver
from support.commands import invoke, refused_address, run, started
from support.gateways import until

from rooms_gateway.cli.serve.files import check_tracing
from rooms_gateway.settings import SettingsError

if TYPE_CHECKING:
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub

SERVE = ("serve", "--emulator", "--listen", "127.0.0.1:0", "--log-format", "json")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def call(address: str, **others: object) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        rooms: RoomsServiceAsyncStub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        await rooms.CreateRoom(CreateRoomRequest(), **others)  # type: ignore[arg-type]


async def test_shutdown_exports_the_last_spans() -> None:
    """The log line of the call has their trace id."""
    async with receiver() as received:
        # No batch is due within an hour.
        environment = received.environment | {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        async with started(*SERVE, "--traces", env=environment) as process:
            await call(await process.address())
            assert received.spans == []
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
    assert [span.pb.name for span in received.spans] == [
        "acs.rooms.v1.RoomsService/CreateRoom",
        "POST /rooms",
    ]
    [trace] = {span.trace_id for span in received.spans}
    assert f'"trace_id":"{trace}"' in process.err


async def test_log_has_the_trace_id_of_the_caller() -> None:
    """Without `--traces`, which no OTEL_… variable enables."""
    async with started(*SERVE, env={"OTEL_TRACES_SAMPLER": "nonsense"}) as process:
        address = await process.address()
        await call(address, metadata=(("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),))
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert f'"trace_id":"{TRACE}"' in process.err
    assert "nonsense" not in process.err


MALFORMED = (
    *("collector:4317", "http://collector:4318/v1/traces", "http://user:planted@collector"),
    *("ftp://collector", "http://", "http://collector:planted", "http://[planted"),
)


@pytest.mark.parametrize("endpoint", MALFORMED)
@pytest.mark.parametrize("kind", ["", "TRACES_"])
def test_a_malformed_endpoint_is_an_error(endpoint: str, kind: str) -> None:
    name = f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT"
    with pytest.raises(SettingsError) as raised:
        check_tracing({name: endpoint})
    [error] = raised.value.errors
    assert error.startswith(f"{name} must be http://HOST:PORT")
    assert "planted" not in error


@pytest.mark.parametrize("endpoint", ["", " ", "http://collector:4317", "https://[::1]:4317/"])
def test_a_valid_endpoint_is_accepted(endpoint: str) -> None:
    check_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER": "nonsense"})


def test_malformed_endpoint_fails_config_test() -> None:
    finished = invoke(
        *(*SERVE, "--traces", "--config-test"), env={"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}
    )
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.startswith("rooms-gateway: OTEL_EXPORTER_OTLP_ENDPOINT must be ")


async def test_rejected_otel_value_fails_startup() -> None:
    finished = await run(*SERVE, "--traces", env={"OTEL_BSP_MAX_QUEUE_SIZE": "100"})
    assert (finished.code, finished.out) == (2, "")
    assert finished.err == (
        "rooms-gateway: --traces: OpenTelemetry rejects its settings: "
        "max_export_batch_size must be less than or equal to max_queue_size.\n"
    )


async def test_otel_warnings_are_logged_without_secrets() -> None:
    """A mistyped sampler would sample everything; a header may be an API key."""
    env = {"OTEL_TRACES_SAMPLER": "nonsense", "OTEL_EXPORTER_OTLP_HEADERS": "planted"}
    async with started(*SERVE, "--traces", env=env) as process:
        await process.address()
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert "Couldn't recognize sampler nonsense." in process.err
    assert "planted" not in process.err


async def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    # An empty package of that name precedes the real one on the path.
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    finished = await run(*SERVE, "--traces", env={"PYTHONPATH": path})
    assert finished.code == 2
    assert "pip install 'rooms-gateway[otel]'" in finished.err


async def test_unreachable_collector_is_one_log_line() -> None:
    with refused_address() as collector:
        unreachable = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "20",
        }
        async with started(*SERVE, "--traces", env=unreachable) as process:
            address = await process.address()
            for _ in range(3):
                await call(address)
            await until(lambda: "cannot export traces" in process.err)
            for _ in range(3):
                await call(address)
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
    assert process.err.count("cannot export traces") == 1
    assert "Traceback" not in process.err
    assert process.err.count('"code":"OK"') == 6


@pytest.mark.proves("S60")
async def test_silent_collector_does_not_delay_shutdown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3600",
        }
        async with started(*SERVE, "--traces", env=environment) as process:
            await call(await process.address())
            process.signal(signal.SIGTERM)
            # Fails after PATIENCE, which is far below the timeout of the exporter.
            assert await process.exit_code() == 0
    assert "the last spans were not exported" in process.err
