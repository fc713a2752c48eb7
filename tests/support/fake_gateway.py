"""A gateway on grpcio-testing's fake channel: the test plays the server while a command runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import grpc
import grpc_testing  # type: ignore[import-untyped]  # there are no stubs for it
from acs.identity.v1 import identity_service_pb2
from acs.rooms.v1 import join_service_pb2, participants_service_pb2, rooms_service_pb2
from click.testing import CliRunner, Result
from google.protobuf.message import Message

from rooms_gateway.cli.client.commands.join import join
from rooms_gateway.cli.client.commands.participants import participants
from rooms_gateway.cli.client.commands.rooms import rooms
from rooms_gateway.cli.client.commands.users import users

SERVICES = (
    rooms_service_pb2.DESCRIPTOR.services_by_name["RoomsService"],
    participants_service_pb2.DESCRIPTOR.services_by_name["ParticipantsService"],
    join_service_pb2.DESCRIPTOR.services_by_name["JoinService"],
    identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
)
METHODS = {method.name: method for service in SERVICES for method in service.methods}

APP = click.Group("rooms-gateway", commands=[rooms, participants, users, join])


@dataclass(frozen=True)
class FailedCall:
    """The status of a call that fails: code, message and trailers."""

    code: grpc.StatusCode
    message: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()


def run(
    *arguments: str,
    open_channel: Callable[..., grpc.Channel] | None = None,
    stdin: str | None = None,
) -> Result:
    """Run a command; without `open_channel`, it must not make a call."""
    return CliRunner().invoke(APP, arguments, stdin, obj=open_channel or _unexpected)


def call(
    *arguments: str,
    rpc: str,
    responses: tuple[Message, ...],
    failure: FailedCall | None = None,
    stdin: str | None = None,
) -> tuple[Result, Message]:
    """Run a command, respond to the one RPC that it makes; return its result and its request."""
    result, requests = calls(*arguments, rpc=rpc, responses=responses, failure=failure, stdin=stdin)
    [request] = requests
    return result, request


def calls(
    *arguments: str,
    rpc: str,
    responses: tuple[Message, ...],
    failure: FailedCall | None = None,
    stdin: str | None = None,
) -> tuple[Result, list[Message]]:
    """Run a command that calls one RPC, and return its result and its requests.

    Every response of a unary RPC is that of one call; a `failure` is the end of one more. The
    responses of a stream are those of one call, and the failure is its end.
    """
    channel = grpc_testing.channel(SERVICES, grpc_testing.strict_fake_time(0))
    requests: list[Message] = []
    server = threading.Thread(
        target=_play, args=(channel, rpc, responses, failure, requests), daemon=True
    )
    server.start()
    result = run(*arguments, open_channel=lambda *_: channel, stdin=stdin)
    server.join(timeout=5)
    assert requests, f"no {rpc} was called: {result.output} {result.exception}"
    return result, requests


def bulk(
    *arguments: str,
    rpc: str,
    respond: Callable[[Message], Message],
    failure: FailedCall | None = None,
    stdin: str | None = None,
) -> tuple[Result, list[Any]]:
    """Run a command that makes one bulk call; return its result and its requests.

    `respond` returns the result of an item; a `failure` ends the call.
    """
    channel = grpc_testing.channel(SERVICES, grpc_testing.strict_fake_time(0))
    requests: list[Message] = []

    def play() -> None:
        _, call = channel.take_stream_stream(METHODS[rpc])
        call.requests_closed()
        requests.extend(call._rpc_state._requests)
        for request in requests:
            call.send_response(respond(request))
        status = failure or FailedCall(grpc.StatusCode.OK)
        _wait_until_read(call)
        call.terminate(status.trailers, status.code, status.message)

    server = threading.Thread(target=play, daemon=True)
    server.start()
    result = run(*arguments, open_channel=lambda *_: channel, stdin=stdin)
    server.join(timeout=5)
    return result, requests


def _play(
    channel: Any,
    rpc: str,
    responses: tuple[Message, ...],
    failure: FailedCall | None,
    requests: list[Message],
) -> None:
    method = METHODS[rpc]
    if not method.server_streaming:
        ends = [(response, FailedCall(grpc.StatusCode.OK)) for response in responses]
        for response, end in [*ends, *([(None, failure)] if failure else [])]:
            _, request, call = channel.take_unary_unary(method)
            requests.append(request)
            call.terminate(response, end.trailers, end.code, end.message)
        return
    _, request, call = channel.take_unary_stream(method)
    requests.append(request)
    for page in responses:
        call.send_response(page)
    _wait_until_read(call)
    status = failure or FailedCall(grpc.StatusCode.OK)
    call.terminate(status.trailers, status.code, status.message)


def _wait_until_read(call: Any) -> None:
    # The fake channel drops unread messages when a call fails; gRPC does not.
    while call._rpc_state._responses:
        time.sleep(0.001)


def _unexpected(address: str, *_: object) -> grpc.Channel:
    raise AssertionError(f"the command opened a channel to {address}")
