"""`rooms-gateway run`: environment, exit code and signals of the command, and the end of all."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commands import COMMAND, PATIENCE, Finished, accepts_connections, run
from support.gateways import until

from rooms_emulator import DEVELOPMENT_KEY

CREATE = f"{COMMAND} rooms create --json"
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)), flush=True)"


RUN_ALONE = """
import json, os, sys
from rooms_gateway.cli.run.child import ChildCommand, exit_code_of
try:
    code = ChildCommand().run(json.load(sys.stdin), os.environ)
except OSError as error:
    code = exit_code_of(error)
sys.exit(code)
"""


def exit_code_of_command(*arguments: str) -> int:
    """Run a command without a gateway; return the exit code that `run` would have."""
    # A process without grpc, which prepares each fork of this one for itself.
    return subprocess.run(
        [sys.executable, "-c", RUN_ALONE], input=json.dumps(arguments), text=True, check=False
    ).returncode


@contextmanager
def running(script: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run a shell script in a process group like that of a foreground job in a terminal."""
    with subprocess.Popen(
        [COMMAND, "run", *flags, "--", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line of standard output."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert readable
    return process.stdout.readline().rstrip()


def ended(process: subprocess.Popen[str], text: str = "") -> Finished:
    """Send `text` to the command, and wait for the end."""
    out, err = process.communicate(text, timeout=PATIENCE)
    return Finished(process.returncode, out, err)


def room_id(line: str) -> str:
    """Return the id in a line of `rooms create --json` or `rooms list --json`."""
    [found] = re.findall(r'"id": ?"(\d+)"', line)
    return str(found)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "exit 255"), 255),
        (("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM),
        (("sh", "-c", "kill -KILL $$"), 128 + signal.SIGKILL),
    ],
)
def test_exit_code_is_that_of_a_shell(arguments: tuple[str, ...], code: int) -> None:
    assert exit_code_of_command(*arguments) == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("no-such-command",), 127),
        (("",), 126),
        (("./no-such-file",), 127),
        (("/",), 126),
        ((__file__,), 126),
        (("true", "x" * (1 << 20)), 126),
    ],
    ids=["no command", "empty", "no file", "folder", "not executable", "too long"],
)
def test_command_that_cannot_run(arguments: tuple[str, ...], code: int) -> None:
    assert exit_code_of_command(*arguments) == code


async def test_missing_command_is_reported() -> None:
    done = await run("run", "--", "no-such-command", "--help")
    assert (done.code, done.out) == (127, "")
    assert done.err == "rooms-gateway: cannot run no-such-command: No such file or directory.\n"


async def test_command_calls_gateway_and_emulator() -> None:
    script = f"{CREATE} && curl -sf $ROOMS_EMULATOR_CONTROL_ENDPOINT/_emulator/journal; exit 7"
    done = await run("run", "sh", "-c", script)
    assert (done.code, done.err) == (7, "")
    room, journal = done.out.splitlines()
    [request] = json.loads(journal)["requests"]
    assert request["effect"]["room"] == room_id(room)


async def test_standard_streams_are_those_of_the_command() -> None:
    script = "cat; printf broken >&2; exit 1"
    piped = f'printf "one\\ntwo" | {COMMAND} run -- sh -c "{script}"'
    assert await run("-c", piped, program="sh") == Finished(1, "one\ntwo", "broken")


async def test_closed_streams_stay_closed() -> None:
    script = f"{COMMAND} run -- sh -c '{CREATE} >/dev/null && exit 4' <&- >&- 2>&-"
    assert await run("-c", script, program="sh") == Finished(4, "", "")


async def test_environment_names_no_other_upstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, connection strings and the socket of systemd are not for the test."""
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        real = f"endpoint={endpoint};accesskey=a2V5"
        connection_strings = dict.fromkeys(
            (
                "COMMUNICATION_CONNECTION_STRING",
                "AZURE_COMMUNICATION_CONNECTION_STRING",
                "COMMUNICATION_SERVICES_CONNECTION_STRING",
                "COMMUNICATION_SAMPLES_CONNECTION_STRING",
                "COMMUNICATION_CONNECTION_STRING_ROOMS",
            ),
            real,
        )
        settings = {
            "ROOMS_GATEWAY_CONNECTION_STRING": real,
            "ROOMS_GATEWAY_ENDPOINT": endpoint,
            "ROOMS_GATEWAY_ENTRA": "default",
            "ROOMS_GATEWAY_UPSTREAM_PROXY": endpoint,
            "ROOMS_GATEWAY_ADDRESS": "127.0.0.1:1",
            "ROOMS_GATEWAY_RESOURCE": "production",
            "ROOMS_GATEWAY_CONFIG": "/no/such/file",
        }
        others = {
            "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
            "NOTIFY_SOCKET": f"{tmp_path}/nothing",
            "http_proxy": endpoint,
            "PATH": os.environ["PATH"],
        }
        script = f"{CREATE} >&2 && exec {sys.executable} -c '{PRINT_ENVIRONMENT}'"
        done = await run(
            *("run", "--", "sh", "-c", script), env=connection_strings | settings | others
        )
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert done.code == 0, done.err
    seen = json.loads(done.out)
    assert seen.keys() & settings.keys() == {"ROOMS_GATEWAY_ADDRESS"}
    assert {seen[name] for name in connection_strings} == {
        f"endpoint={seen['ROOMS_EMULATOR_ENDPOINT']}/;accesskey={DEVELOPMENT_KEY}"
    }
    assert seen.items() >= others.items()
    assert "GRPC_VERBOSITY" not in seen


def test_two_runs_at_once_have_separate_rooms() -> None:
    script = f"echo ready; read -r _; {CREATE}; {COMMAND} rooms list --json"
    with running(script) as one, running(script) as other:
        for process in (one, other):
            assert line_of(process) == "ready"
        for process in (one, other):
            created, *listed = ended(process, "\n").out.splitlines()
            assert [room_id(line) for line in listed] == [room_id(created)]


def test_ctrl_c_is_for_the_command() -> None:
    """The gateway still serves the command, which may end when it likes."""
    with running(
        f"trap '{CREATE}; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    ) as process:
        assert line_of(process) == "ready"
        os.killpg(process.pid, signal.SIGINT)
        done = ended(process)
    assert (done.code, done.err) == (5, "")
    assert room_id(done.out)


def test_sigterm_is_forwarded() -> None:
    with running("trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done") as process:
        assert line_of(process) == "ready"
        process.terminate()
        assert ended(process) == Finished(9, "", "")


def test_second_sigterm_kills_the_command() -> None:
    script = "trap 'echo ignored' TERM; echo ready; while :; do sleep 0.1; done"
    with running(script) as process:
        assert line_of(process) == "ready"
        process.terminate()
        assert line_of(process) == "ignored"
        process.terminate()
        assert ended(process).code == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signal_during_startup_ends_all(number: signal.Signals, tmp_path: Path) -> None:
    """The emulator waits for the content of a file of faults."""
    pipe = tmp_path / "faults.toml"
    os.mkfifo(pipe)
    with running("echo started", "--emulator-options", f"--faults {pipe}") as process:
        await until(lambda: has_reader(pipe), PATIENCE)
        os.killpg(process.pid, number)
        assert ended(process) == Finished(128 + number, "", "")
    await until(lambda: not has_reader(pipe), PATIENCE)


def has_reader(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


async def test_killed_run_leaves_no_process() -> None:
    script = f"{sys.executable} -c '{PRINT_ENVIRONMENT}'; exec sleep 600"
    with running(script) as process:
        seen = json.loads(line_of(process))
        process.kill()
        # Standard output ends when the command has ended.
        assert ended(process) == Finished(-signal.SIGKILL, "", "")
    addresses = [
        seen["ROOMS_GATEWAY_ADDRESS"],
        seen["ROOMS_EMULATOR_ENDPOINT"].removeprefix("http://"),
    ]
    await until(lambda: not any(map(accepts_connections, addresses)), PATIENCE)


async def test_nothing_listens_after_the_command() -> None:
    done = await run("run", "--", "sh", "-c", "echo $ROOMS_GATEWAY_ADDRESS")
    assert (done.code, accepts_connections(done.out.strip())) == (0, False)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--gateway-options", "--max-attempts 0"), 125, "rooms-gateway: --max-attempts: 0 is"),
        (("--gateway-options", "--emulator"), 125, "--emulator and --connection-string name two"),
        (("--emulator-options", "--quota x"), 125, "rooms-gateway emulator ended with exit code 2"),
        (
            ("--log-file", "/no/folder/log"),
            125,
            "--log-file: /no/folder/log: No such file",
        ),
        (("--gateway-options", "'"), 2, '"\'": No closing quotation'),
        (("--no-such-flag",), 2, "No such option"),
    ],
)
async def test_error_at_startup_is_reported(
    flags: tuple[str, ...], code: int, message: str
) -> None:
    done = await run("run", *flags, "--", "echo", "started")
    assert (done.code, done.out) == (code, ""), done.err
    assert message in done.err


async def test_command_is_required() -> None:
    done = await run("run", "--")
    assert done.code == 2
    assert "Missing argument '-- COMMAND [ARGS]...'" in done.err


async def test_occupied_address_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = await run("run", "--gateway-options", f"--listen {address}", "--", "true")
    assert done.code == 125
    assert f"cannot listen on {address}" in done.err


async def test_unusable_system_authorities_are_reported() -> None:
    done = await run("run", "--", "true", env={"SSL_CERT_FILE": "/no/such/file"})
    assert done.code == 125
    assert "SSL_CERT_FILE: " in done.err


async def test_flags_reach_emulator_and_gateway(tmp_path: Path) -> None:
    """The emulator rejects the first create, and the gateway makes one attempt."""
    faults = tmp_path / "two words.toml"
    faults.write_text('[[faults]]\noperation = "CreateRoom"\nstatus = 503\ncount = 1\n')
    flags = ("--emulator-options", f"--faults '{faults}'", "--gateway-options=--max-attempts=1")
    done = await run("run", *flags, "--", "sh", "-c", f"{CREATE}; {CREATE}")
    assert (done.code, done.out.count('"id"')) == (0, 1)
    assert "UNAVAILABLE" in done.err


async def test_log_file_has_the_calls_of_all_runs(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    for number in (1, 2):
        done = await run("run", "--log-file", log, "--", "sh", "-c", CREATE)
        assert (done.code, done.err) == (0, "")
        assert log.read_text(encoding="utf-8").count("CreateRoom") == number


async def test_gateway_that_dies_is_reported() -> None:
    """The exit code stays that of the command."""
    script = """
        for child in $(cat /proc/$PPID/task/$PPID/children); do
            [ "$child" = $$ ] || kill -9 "$child"
        done
    """
    done = await run("run", "--", "sh", "-c", script)
    assert (done.code, done.out) == (0, "")
    assert "rooms-gateway: rooms-gateway serve ended with exit code -9" in done.err
    assert "rooms-gateway: rooms-gateway emulator ended with exit code -9" in done.err
