"""A gateway behind a proxy, as a process: its credentials appear in no output."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from support.collectors import get
from support.commands import REFUSING, started
from support.gateways import failure_of, until
from support.texts import leaks

PASSWORD = "planted~password~of~the~proxy"
AZURE = "endpoint=https://contoso.example;accesskey=a2V5"


@pytest.mark.proves("S57")
async def test_proxy_credentials_are_in_no_output(tmp_path: Path) -> None:
    """The log and the status have the cause in words, without what the proxy sent."""
    heads: list[bytes] = []
    credentials = tmp_path / "credentials"
    credentials.write_text(f"user:{PASSWORD}\n")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 No\r\nX-Echo: %b\r\n\r\n" % PASSWORD.encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        async with (
            started(
                *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
                *("--upstream-proxy", f"http://127.0.0.1:{port}", "--log-level", "debug"),
                *("--upstream-proxy-credentials-file", credentials, "--log-format", "json"),
                env={"COMMUNICATION_CONNECTION_STRING": AZURE},
            ) as process,
            grpc.aio.insecure_channel(await process.address()) as channel,
        ):
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            failed = await failure_of(stub.GetRoom(GetRoomRequest(room_id="99400000000000000")))
            await until(lambda: "no response from" in process.err)
            admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
            metrics = (await get(admin, "/metrics"))[1]
            process.signal(signal.SIGTERM)
            assert await process.exit_code() == 0
    # One for the call, the others for warm connections.
    assert {b"Proxy-Authorization: Basic " in head for head in heads} == {True}
    assert failed.reason == "ERROR_REASON_UPSTREAM_MISCONFIGURED"
    assert failed.message == (
        f"no response from contoso.example:443: proxy 127.0.0.1:{port}: rejects credentials (HTTP "
        "status 407); check --upstream-proxy-credentials-file"
    )
    warnings = [json.loads(line) for line in process.err.splitlines()]
    assert [each["message"] for each in warnings if each["level"] == "warning"] == [failed.message]
    secrets = {"password": PASSWORD, "header": heads[0].partition(b"Basic ")[2][:32].decode()}
    texts = [("log", process.err), ("out", process.out), ("status", failed.message)]
    assert leaks(secrets, [*texts, ("metrics", metrics)]) == []


@pytest.mark.parametrize("environment", [{"HTTPS_PROXY": "http://user:planted@proxy.example:1"}])
async def test_an_unused_proxy_is_a_warning(environment: dict[str, str]) -> None:
    """The value of the variable, which may have a password, is not repeated."""
    async with started(
        *("serve", "--connection-string", AZURE, "--listen", "127.0.0.1:0"), env=environment
    ) as process:
        await process.address()
        await until(lambda: "pass --upstream-proxy" in process.err)
    assert "HTTPS_PROXY is set" in process.err
    assert "planted" not in process.err + process.out


async def test_loopback_needs_no_proxy() -> None:
    async with started(
        *("serve", *REFUSING, "--listen", "127.0.0.1:0"),
        env={"HTTPS_PROXY": "http://proxy.example:1"},
    ) as process:
        await process.address()
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert "HTTPS_PROXY" not in process.err
