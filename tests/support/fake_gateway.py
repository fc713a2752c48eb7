"""A gateway on grpcio-testing's fake channel: the test plays the server while a command runs."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import click
import grpc
import grpc_testing  # type: ignore[import-untyped]  # there are no stubs for it
from acs.rooms.v1 import participants_pb2, rooms_pb2
from click.testing import CliRunner, Result
from google.protobuf.message import Message

from rooms_gateway.cli.client.commands import participants, rooms
from rooms_gateway.cli.client.connection import Dialer

SERVICES = (
    rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"],
    participants_pb2.DESCRIPTOR.services_by_name["ParticipantsService"],
)
METHODS = {method.name: method for service in SERVICES for method in service.methods}

APP = click.Group("rooms-gateway", commands=[rooms, participants])


@dataclass(frozen=True)
class Refusal:
    """How a call ends that fails: the code, the text, and what the trailers say."""

    code: grpc.StatusCode
    message: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()


def run(*arguments: str, dialer: Dialer | None = None) -> Result:
    """Run a command that is not expected to call anybody, or that calls through `dialer`."""
    return CliRunner().invoke(APP, arguments, obj=dialer or Dialer(_unexpected))


def call(
    *arguments: str, rpc: str, answers: tuple[Message, ...], refusal: Refusal | None = None
) -> tuple[Result, Message]:
    """Run a command, answer the one RPC that it makes, and return its result and its request."""
    channel = grpc_testing.channel(SERVICES, grpc_testing.strict_fake_time(0))
    requests: list[Message] = []
    server = threading.Thread(
        target=_play, args=(channel, rpc, answers, refusal, requests), daemon=True
    )
    server.start()
    result = run(*arguments, dialer=Dialer(lambda _: channel))
    server.join(timeout=5)
    assert requests, f"no {rpc} was called: {result.output} {result.exception}"
    return result, requests[0]


def _play(
    channel: Any,
    rpc: str,
    answers: tuple[Message, ...],
    refusal: Refusal | None,
    requests: list[Message],
) -> None:
    ending = refusal or Refusal(grpc.StatusCode.OK)
    method = METHODS[rpc]
    if not method.server_streaming:
        _, request, call = channel.take_unary_unary(method)
        requests.append(request)
        answer = answers[0] if answers else None
        call.terminate(answer, ending.trailers, ending.code, ending.message)
        return
    _, request, call = channel.take_unary_stream(method)
    requests.append(request)
    for page in answers:
        call.send_response(page)
    # The fake channel forgets the pages nobody has read yet when a call fails; gRPC does not.
    while call._rpc_state._responses:
        time.sleep(0.001)
    call.terminate(ending.trailers, ending.code, ending.message)


def _unexpected(address: str) -> grpc.Channel:
    raise AssertionError(f"the command dialled {address}")
