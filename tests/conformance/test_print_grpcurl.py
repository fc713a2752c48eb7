"""grpcurl makes the call of a command when the line of `--print-grpcurl` is pasted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection
from support.client_commands import EXAMPLES
from support.commands import PATIENCE, invoke
from support.fake_gateway import APP, SERVICES
from support.tools import GRPCURL

from rooms_gateway.app import Gateway

TOKENS = {"TOKEN": "bearer-token", "ACCESS_TOKEN": "access.token", "TEAMS_TOKEN": "teams.token"}
SECRETS = {"ExplainJoin": "access.token", "ExchangeTeamsUserToken": "teams.token"}

pytestmark = pytest.mark.needs("grpcurl")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the server got."""

    rpc: str
    request: Message
    authorization: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server of all RPCs that the commands call, with empty responses."""

    address: str
    calls: list[Call]


def recording(method: MethodDescriptor, calls: list[Call]) -> grpc.RpcMethodHandler[bytes, bytes]:
    def record(request: bytes, context: grpc.ServicerContext) -> None:
        parsed = GetMessageClass(method.input_type).FromString(request)
        headers = dict(context.invocation_metadata())
        calls.append(Call(method.name, parsed, str(headers.get("authorization", ""))))

    def respond(request: bytes, context: grpc.ServicerContext) -> bytes:
        record(request, context)
        return b""

    def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        record(request, context)
        return iter(())

    def exchange(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            record(request, context)
        return iter(())

    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(exchange)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(respond)


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    calls: list[Call] = []
    running = grpc.server(ThreadPoolExecutor(2))
    for service in SERVICES:
        handlers = {method.name: recording(method, calls) for method in service.methods}
        handler = grpc.method_handlers_generic_handler(service.full_name, handlers)
        running.add_generic_rpc_handlers([handler])
    names = [*(service.full_name for service in SERVICES), reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, running)
    if request.param == "tcp":
        address = f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}"
    else:
        address = f"unix:{tmp_path_factory.mktemp('a folder')}/socket"
        running.add_insecure_port(address)
    running.start()
    yield Server(address, calls)
    running.stop(None).wait()


def paste(line: str, variables: Mapping[str, str] | None = None) -> str:
    """Run a line in a shell; return its output."""
    path = f"{GRPCURL.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "PATH": path, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, ""), line
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "rpc"), EXAMPLES.items(), ids=lambda value: "-".join(value[:2])
)
def test_pasted_line_makes_the_same_call(
    server: Server, arguments: tuple[str, ...], rpc: str
) -> None:
    """With the variables set to the tokens."""
    server.calls.clear()
    commands = CliRunner(env={"ROOMS_GATEWAY_TOKEN": TOKENS["TOKEN"]})
    command = (*arguments, "--address", server.address)
    assert commands.invoke(APP, command, SECRETS.get(rpc)).exit_code == 0
    printed = commands.invoke(APP, [*command, "--print-grpcurl"])
    made = [*server.calls]
    paste(printed.stdout, TOKENS)
    assert made == server.calls[len(made) :]
    assert {(each.rpc, each.authorization) for each in made} == {(rpc, f"Bearer {TOKENS['TOKEN']}")}


async def test_pasted_lines_reach_a_gateway(gateway: Gateway) -> None:
    """Over TCP and a Unix socket, one line for each room."""
    ids = []
    for address in gateway.addresses:
        where = ("--address", address)
        line = invoke("rooms", "create", *where, "--print-grpcurl").out
        created = json.loads(await asyncio.to_thread(paste, line))
        ids.append(created["room"]["id"])
        lines = invoke("rooms", "get", *ids, *where, "--print-grpcurl").out
        for line, room_id in zip(lines.splitlines(), ids, strict=True):
            got = json.loads(await asyncio.to_thread(paste, line))
            assert got["room"]["id"] == room_id
