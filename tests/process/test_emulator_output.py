"""Output of `rooms-gateway emulator`: banner, access log, `--quiet` and `--json`."""

from __future__ import annotations

import asyncio
import json
import os
import re

import pytest
from support.commands import COMMAND, Process, started
from support.gateways import until
from support.signed_requests import Client, client_session

from rooms_emulator import DEVELOPMENT_KEY

FLAGS = ("emulator", "--listen", "127.0.0.1:0")
STRING = r"endpoint=(.*)/;accesskey=.*"


async def make_requests(endpoint: str) -> None:
    """Make a request that succeeds, one with a fault, one over a quota, and others."""
    async with client_session() as session:
        client = Client(session, endpoint)
        await client.control("POST", "faults", {"preset": "unavailable", "operation": "ListRooms"})
        await client.control("PUT", "quotas", {"quotas": ["CreateRoom=1/1h"]})
        await client.create()
        await client.call("POST", "/rooms", {})
        await client.call("GET", "/rooms?nextLink=secret&token=secret")
        await client.call("GET", f"/;accesskey={DEVELOPMENT_KEY}/rooms")


async def line_ending_with(process: Process, end: str) -> str:
    """Wait for a line of standard error, and return all of it."""
    await until(lambda: f"{end}\n" in process.err)
    return next(line for line in process.err.splitlines() if line.endswith(end))


async def test_each_request_is_one_line_without_secrets() -> None:
    async with started(*FLAGS) as process:
        await make_requests(await process.line(STRING))
        time, milliseconds = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r"[\d.]+ms"
        await line_ending_with(process, "quota=CreateRoom=1/1h")
        await until(lambda: " 404 GET " in process.err)
        log = process.err[process.err.index("SIGTERM\n") + 8 :]
    version = "api-version=2025-03-13"
    page = f"nextLink=…&…&{version}"
    expected = [
        f"{time} 200 POST /_emulator/faults {milliseconds}",
        f"{time} 200 PUT /_emulator/quotas {milliseconds}",
        rf"{time} 201 POST /rooms\?{version} CreateRoom {milliseconds}",
        rf"{time} 429 POST /rooms\?{version} CreateRoom {milliseconds} quota=CreateRoom=1/1h",
        rf"{time} 503 GET /rooms\?{page} ListRooms {milliseconds} fault=unavailable",
        rf"{time} 404 GET /;accesskey=REDACTED\?{version} {milliseconds}",
    ]
    assert re.fullmatch("".join(f"{line}\n" for line in expected), log), log


async def test_banner_shows_where_and_how() -> None:
    flags = ("--control-listen", "127.0.0.1:0", "--legacy")
    async with started(*FLAGS, *flags) as process:
        endpoint, control = await process.line(STRING), await process.line("control=(.*)")
        await until(lambda: "SIGTERM\n" in process.err)
        for text in (
            f"  endpoint      {endpoint}\n",
            f"  control API   {control}/_emulator/\n",
            f"  page          {control}/_emulator/, for browsers\n",
            "  state         in memory; to keep it in a file, pass --location FILE\n",
            "  Rooms API     2022-02-01, 2023-06-14,",
            "  to stop       press Ctrl-C",
        ):
            assert text in process.err


async def test_json_makes_each_line_an_object() -> None:
    """The start is one object on standard output, which has what the plain lines have."""
    async with started(*FLAGS, "--json", "--fault-seed", "7") as process:
        await until(lambda: process.out.endswith("\n"))
        ready = json.loads(process.out)
        await make_requests(ready["endpoint"])
        await until(lambda: '"status":404' in process.err)
        requests = [json.loads(line) for line in process.err.splitlines()]
    assert ready["event"] == "ready"
    assert ready["connectionString"] == f"endpoint={ready['endpoint']}/;accesskey={DEVELOPMENT_KEY}"
    assert (ready["control"], ready["location"]) == (ready["endpoint"], None)
    assert "2025-03-13" in ready["apiVersions"]["rooms"]
    assert "2023-10-01" in ready["apiVersions"]["identity"]
    assert [(each["event"], each["status"]) for each in requests] == [
        ("request", status) for status in (200, 200, 201, 429, 503, 404)
    ]
    assert requests[3]["quota"] == "CreateRoom=1/1h"
    assert (requests[4]["operation"], requests[4]["fault"]) == ("ListRooms", "unavailable")
    assert "secret" not in process.err
    assert DEVELOPMENT_KEY not in process.err


async def test_quiet_leaves_the_start_lines_only() -> None:
    async with started(*FLAGS, "--quiet") as process:
        await make_requests(await process.line(STRING))
    assert len(process.out.splitlines()) == 2
    assert process.err == ""


async def test_unread_output_delays_no_request() -> None:
    """The lines are longer than the 64 KiB that a pipe takes while nothing reads it."""
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, *FLAGS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 12,
    )
    assert process.stdout
    try:
        await process.stdout.readline()
        string = (await process.stdout.readline()).decode()
        endpoint = string.removeprefix("endpoint=").partition("/;")[0]
        async with client_session() as session:
            client = Client(session, endpoint)
            for _ in range(3000):
                response = await client.control("GET", f"clock/{'x' * 200}")
                assert response.status == 404
        process.terminate()
        async with asyncio.timeout(30):
            # Not `wait`, which reads the output.
            while process.returncode is None:
                await asyncio.sleep(0.05)
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
async def test_a_terminal_gets_colors(*, env: dict[str, str], colored: bool) -> None:
    """Unless NO_COLOR is set; anything else gets none."""
    ours, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, *FLAGS),
        stdout=asyncio.subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, **env},
    )
    os.close(terminal)
    assert process.stdout
    try:
        await process.stdout.readline()
        string = (await process.stdout.readline()).decode()
        endpoint = string.removeprefix("endpoint=").partition("/;")[0]
        shown = b""
        async with client_session() as session:
            await Client(session, endpoint).create()
            while b"CreateRoom" not in shown:
                shown += await asyncio.to_thread(os.read, ours, 4096)
    finally:
        process.kill()
        await process.communicate()
        os.close(ours)
    assert (b"\x1b[32m201\x1b[0m POST" in shown) == colored
    assert (b"\x1b" in shown) == colored


REACHABLE = ("emulator", "--listen", "0.0.0.0:0", "--allow-plaintext")


@pytest.mark.proves("S97")
@pytest.mark.parametrize("flags", [(), ("--quiet",), ("--json",), ("--json", "--quiet")], ids=str)
async def test_reachable_from_other_hosts_warns(flags: tuple[str, ...]) -> None:
    """At the start, and in JSON if the output is JSON."""
    async with started(*REACHABLE, *flags) as process:
        await until(lambda: "\n" in process.err)
        first = process.err.splitlines()[0]
    if "--json" in flags:
        record = json.loads(first)
        assert (record["event"], record["level"]) == ("log", "warning")
        first = record["message"]
    assert re.fullmatch(
        r"WARNING: other hosts can reach this emulator, on 0\.0\.0\.0:0\. It is for "
        r"development and tests, .* every client that has its access key, which is public, can "
        r"read and change all rooms and users, and every client that is on this host can .*",
        first,
    )


@pytest.mark.proves("S97")
async def test_warning_names_who_controls() -> None:
    """A loopback endpoint is not in it, and neither is a key."""
    keys = {"ROOMS_EMULATOR_CONTROL_KEY": "canary-of-this-test"}
    flags = ("--allow-plaintext", "--control-allow-remote", "--access-key", "Y2FuYXJ5")
    async with started(*FLAGS, *flags, "--control-listen", "0.0.0.0:0", env=keys) as process:
        control = await process.line("control=(.*)")
        await until(lambda: "SIGTERM\n" in process.err)
    assert "WARNING: other hosts can reach this emulator, on 0.0.0.0:0. " in process.err
    assert "that has its access key can read" in process.err
    assert "that has the control key can control" in process.err
    assert f"{control}/_emulator/, with the control key\n" in process.err
    assert "canary" not in process.err + process.out
