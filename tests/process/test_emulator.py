"""`rooms-gateway emulator` as a process."""

from __future__ import annotations

import asyncio
import base64
import resource
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from processes import COMMAND, run, started
from quick import quick_gateway
from running import failure_of, until

from rooms_emulator import DEVELOPMENT_KEY
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import parse_connection_string

KEY = base64.b64encode(b"another key").decode()


def upstream_of(connection_string: str) -> Upstream:
    return Upstream.with_key(*parse_connection_string(connection_string))


def files_of(pid: int) -> int:
    return max(int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()) + 1


async def test_its_connection_string_stands_on_a_line_of_its_own_and_works() -> None:
    async with started("emulator", "--listen", "127.0.0.1:0") as process:
        string = await process.line(
            rf"(endpoint=http://127\.0\.0\.1:[1-9]\d*/;accesskey={DEVELOPMENT_KEY})"
        )
        async with quick_gateway(upstream_of(string)) as quick:
            assert (await quick.rooms.CreateRoom(CreateRoomRequest())).room.id


async def test_only_the_key_that_was_given_is_accepted() -> None:
    async with started("emulator", "--listen", "127.0.0.1:0", "--access-key", KEY) as process:
        string = await process.line("(endpoint=.*)")
        assert string.endswith(f";accesskey={KEY}")
        async with quick_gateway(upstream_of(string)) as quick:
            assert (await quick.rooms.CreateRoom(CreateRoomRequest())).room.id
        async with quick_gateway(upstream_of(string.replace(KEY, DEVELOPMENT_KEY))) as quick:
            failed = await failure_of(quick.rooms.CreateRoom(CreateRoomRequest()))
            assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda each: each.name
)
async def test_a_signal_stops_it_with_exit_code_0(number: signal.Signals) -> None:
    # Tests that run under nohup inherit an ignored SIGHUP, which the emulator respects.
    command = ("--default-signal=HUP", COMMAND, "emulator", "--listen", "127.0.0.1:0")
    async with started(*command, program="env") as process:
        await process.line("(endpoint=.*)")
        process.signal(number)
        assert await process.exit_code() == 0
    assert process.err == ""


@pytest.mark.parametrize(
    ("before", "stops"),
    [(["env", "--default-signal=HUP"], True), (["nohup"], False)],
    ids=["terminal closed", "nohup"],
)
async def test_a_hangup_stops_it_unless_it_was_started_with_nohup(
    *, before: list[str], stops: bool
) -> None:
    program, *options = before
    command = (*options, COMMAND, "emulator", "--listen", "127.0.0.1:0")
    async with started(*command, program=program) as process:
        await process.line("(endpoint=.*)")
        process.signal(signal.SIGHUP)
        if not stops:
            # What was sent first is heard first.
            process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0


async def test_without_files_left_it_says_so_and_takes_who_waited_when_there_are_some() -> None:
    async with started("emulator", "--listen", "127.0.0.1:0") as process, AsyncExitStack() as stack:
        host, port = (await process.line("endpoint=http://(.*)/;accesskey=.*")).split(":")
        pid = process.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files_of(pid) + 4, before[1]))
        for _ in range(8):
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
        await until(lambda: "no more connections for now (Too many open files)" in process.err)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        writer.write(b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")


async def test_a_port_that_is_taken_is_refused_with_exit_code_3_and_one_sentence() -> None:
    async with started("emulator", "--listen", "127.0.0.1:0") as first:
        address = await first.line("endpoint=http://(.*)/;accesskey=.*")
        second = await run("emulator", "--listen", address)
    assert second.code == 3
    [line] = second.err.splitlines()
    assert line.startswith(f"rooms-gateway emulator: cannot listen on {address}: Address already")
    assert line.count("cannot listen") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--access-key", "canary!"), "the access key is not base64"),
        (("--access-key", ""), "the access key is not base64"),
        (("--listen", "0.0.0.0:0"), "0.0.0.0:0 can be reached from other machines"),
        (("--listen", "8125"), "'8125' is not host:port"),
        (("--listen", "unix:/tmp/socket"), "serves host:port only"),
    ],
)
async def test_options_that_cannot_be_are_refused_with_exit_code_2_and_one_sentence(
    arguments: tuple[str, ...], sentence: str
) -> None:
    done = await run("emulator", *arguments)
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.startswith("rooms-gateway emulator: ")
    assert sentence in line
    assert "canary" not in line
