"""The client commands as processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import bulk_rooms_pb2, rooms_pb2
from support.commands import COMMAND, PATIENCE

PROGRAM = """
import signal
# A shell without job control starts background jobs, and tests in them, with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from rooms_gateway.cli.client.commands.rooms import rooms
{before}
rooms()
"""
CLIENT = (sys.executable, "-c", PROGRAM.format(before=""))

INTERRUPT_AFTER_START_OF_CALL = """
import grpc._channel
def interrupt(*_):
    {interrupt}
def init_and_interrupt(*arguments, init=grpc._channel._SingleThreadedRendezvous.__init__):
    init(*arguments)
    interrupt()
grpc._channel._SingleThreadedRendezvous.__init__ = init_and_interrupt
grpc._channel._run_channel_spin_thread = interrupt
"""


def many_pages(_request: bytes, _context: object) -> Iterator[bytes]:
    for number in range(10_000):
        rooms = [rooms_pb2.Room(id=str(number))] * 10
        yield rooms_pb2.ListRoomsResponse(rooms=rooms, next_page_token="t").SerializeToString()


def give_up(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Respond to one item, and end the call while the client has its side open."""
    next(requests)
    room = rooms_pb2.CreateRoomResponse(room=rooms_pb2.Room(id="7"))
    yield bulk_rooms_pb2.BulkCreateRoomsResponse(key="a", response=room).SerializeToString()
    context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@contextmanager
def serving(address: str) -> Iterator[None]:
    server = grpc.server(ThreadPoolExecutor(2))
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "ListRooms": grpc.unary_stream_rpc_method_handler(many_pages),
        "BulkCreateRooms": grpc.stream_stream_rpc_method_handler(give_up),
        "DeleteRoom": grpc.unary_unary_rpc_method_handler(lambda *_: b""),
    }
    service = grpc.method_handlers_generic_handler("acs.rooms.v1.RoomsService", handlers)
    server.add_generic_rpc_handlers([service])
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


@pytest.fixture
def silent_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_refused_connection_is_explained(
    silent_listener: socket.socket,
) -> None:
    address = address_of(silent_listener)
    silent_listener.close()
    done = subprocess.run(
        [*CLIENT, "get", "7", "--address", address], capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert f"a gateway running on {address}? `rooms-gateway serve --emulator`" in done.stderr


@pytest.mark.parametrize("command", [("get", "7"), ("list",)])
def test_timeout_limits_the_whole_call(
    silent_listener: socket.socket, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [*CLIENT, *command, "--address", address_of(silent_listener), "--timeout", "0.3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 68
    assert "pass a longer --timeout." in done.stderr


@pytest.mark.parametrize("command", [("get", "7"), ("list",)])
def test_ctrl_c_ends_a_call_quietly_with_130(
    silent_listener: socket.socket, command: tuple[str, ...]
) -> None:
    with subprocess.Popen(
        [*CLIENT, *command, "--address", address_of(silent_listener)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        connection, _ = silent_listener.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 130


@pytest.mark.parametrize(
    "interrupt", ["signal.raise_signal(signal.SIGINT)", "raise KeyboardInterrupt"]
)
def test_ctrl_c_after_start_of_a_stream_ends_it(
    silent_listener: socket.socket, interrupt: str
) -> None:
    """No wait for a thread of grpc that the interrupt has kept from starting."""
    before = INTERRUPT_AFTER_START_OF_CALL.format(interrupt=interrupt)
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM.format(before=before)),
            *("list", "--address", address_of(silent_listener), "--timeout", "1"),
        ],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_closed_pipe_ends_a_list_quietly(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/gateway.sock"
    with (
        serving(address),
        subprocess.Popen(
            [*CLIENT, "list", "--address", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"ID")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=PATIENCE) != 0


def test_token_is_not_read_from_a_terminal() -> None:
    """It would be visible."""
    ours, terminal = pty.openpty()
    done = subprocess.run(
        [COMMAND, "join", "explain", "7", "8:acs:x", "--access-token-file", "-"],
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    os.close(ours)
    os.close(terminal)
    assert done.returncode == 2
    assert "--access-token-file: pass a file, or pipe the token" in done.stderr


@contextmanager
def deletion(tmp_path: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `rooms delete 7` on a terminal; yield the process, and the other end of the terminal."""
    address = f"unix:{tmp_path}/gateway.sock"
    ours, terminal = pty.openpty()
    with (
        serving(address),
        subprocess.Popen(
            [*CLIENT, "delete", "7", "--address", address, *flags],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        yield process, ours
    os.close(ours)
    os.close(terminal)


@pytest.mark.parametrize(
    ("typed", "code", "out"), [(b"y\n", 0, b"Deleted room 7.\n"), (b"\n", 1, b"")]
)
def test_delete_on_a_terminal_is_confirmed(
    tmp_path: Path, typed: bytes, code: int, out: bytes
) -> None:
    with deletion(tmp_path) as (process, terminal):
        os.write(terminal, typed)
        printed, asked = process.communicate(timeout=PATIENCE)
        assert asked.startswith(b"Delete room 7? This cannot be undone. [y/N]: ")
        assert (process.returncode, printed) == (code, out)


@pytest.mark.parametrize("flag", ["--yes", "--dry-run", "--print-grpcurl"])
def test_no_confirmation_is_requested_with_flag(tmp_path: Path, flag: str) -> None:
    with deletion(tmp_path, flag) as (process, _):
        printed, asked = process.communicate(timeout=PATIENCE)
        assert (process.returncode, asked) == (0, b"")
        assert printed


def test_bulk_command_ends_while_its_input_is_open(tmp_path: Path) -> None:
    """It does not wait for further input when the call has failed."""
    address = f"unix:{tmp_path}/socket"
    command = (COMMAND, "rooms", "bulk-create", "-", "--address", address)
    with (
        serving(address),
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b'{"key":"a","request":{}}\n')
        process.stdin.flush()
        assert process.wait(PATIENCE) == 78
        assert b'"id":"7"' in process.stdout.read()
        errors = process.stderr.read()
        assert b"Error: UNAVAILABLE" in errors
        assert b"Fatal" not in errors


def test_interrupted_bulk_command_keeps_its_results(
    silent_listener: socket.socket, tmp_path: Path
) -> None:
    """Ctrl-C ends it with 130; every line of the output is whole."""
    output = tmp_path / "out"
    with subprocess.Popen(
        (*CLIENT, "bulk-create", "-", "--output", output, "--address", address_of(silent_listener)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        process.stdin.write(b'{"key":"a","request":{}}\n')
        process.stdin.flush()
        for _ in range(int(PATIENCE / 0.01)):
            if output.exists() and output.read_text().endswith("\n"):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert "jobId" in json.loads(output.read_text())
