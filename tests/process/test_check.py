"""`rooms-gateway check` and `serve --check-upstream`: exit codes and output."""

from __future__ import annotations

import json

from support.commands import REFUSING, run, started

from rooms_emulator import Emulator

KEY = "cGxhbnRlZCBhY2Nlc3Mga2V5"


async def test_check_passes_in_front_of_the_emulator(emulator: Emulator) -> None:
    done = await run("check", "--connection-string", emulator.connection_string)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["passed", step] for step in ("name", "connection", "response", "credential")
    ]


async def test_check_names_the_first_failed_step() -> None:
    done = await run("check", *REFUSING)
    assert (done.code, done.err) == (1, "")
    passed, failed, remedy = done.out.splitlines()
    assert passed.split()[:2] == ["passed", "name"]
    assert failed == "FAILED  connection  127.0.0.1:1: connection refused"
    assert remedy.split()[0] == "next"


async def test_check_prints_json(emulator: Emulator) -> None:
    """The key is not repeated."""
    env = {"ROOMS_GATEWAY_ENDPOINT": emulator.endpoint, "ROOMS_GATEWAY_ACCESS_KEY": KEY}
    done = await run("check", "--json", env=env)
    assert (done.code, done.err) == (1, "")
    report = json.loads(done.out)
    assert (report["endpoint"], report["passed"]) == (emulator.endpoint, False)
    assert [step["step"] for step in report["steps"] if step["passed"]] == [
        "name",
        "connection",
        "response",
    ]
    last = report["steps"][-1]
    assert last["step"] == "credential"
    assert "HTTP status 401" in last["description"]
    assert "access key" in last["next"]
    assert KEY not in done.out


async def test_check_rejects_what_serve_rejects() -> None:
    for arguments, sentence in (
        ((), "no upstream configured"),
        (("--emulator",), "--emulator needs no check"),
        ((*REFUSING, "--max-attempts", "0"), "--max-attempts"),
    ):
        done = await run("check", *arguments)
        assert (done.code, done.out) == (2, "")
        assert sentence in done.err
        assert done.err.endswith("Try 'rooms-gateway check --help'.\n")


async def test_serve_exits_if_the_check_fails() -> None:
    """Before it listens, with the cause and the remedy in its last line."""
    done = await run("serve", *REFUSING, "--listen", "127.0.0.1:0", "--check-upstream")
    assert (done.code, done.out) == (7, "")
    [error] = [line for line in done.err.splitlines() if line.startswith("rooms-gateway: ")]
    assert "--check-upstream: connection: 127.0.0.1:1: connection refused. Check" in error


async def test_serve_starts_if_the_check_passes(emulator: Emulator) -> None:
    async with started(
        *("serve", "--connection-string", emulator.connection_string, "--check-upstream"),
        *("--listen", "127.0.0.1:0", "--log-format", "console"),
    ) as process:
        await process.address()
    assert process.err.count("upstream check: ") == 4


async def test_the_embedded_emulator_needs_no_check() -> None:
    async with started(
        "serve", "--emulator", "--check-upstream", "--listen", "127.0.0.1:0"
    ) as process:
        assert await process.address()
