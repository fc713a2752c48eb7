"""Attempts: a new signature for each, and a count of every request sent."""

from __future__ import annotations

import itertools
import time

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from support.every_operation import OPERATIONS, Operation, entries, get
from support.fast_gateway import quick_gateway
from support.gateways import failure_of, upstream_of
from support.upstreams import answer, hang_up, scripted

from rooms_emulator import Emulator, Fault
from rooms_gateway.call import Call
from rooms_gateway.server.assembly import SERVICES
from rooms_gateway.upstream.credentials import make_credential
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.sender import RestRequest, RetryPolicy, Sender


@pytest.mark.proves("S53")
async def test_each_attempt_is_signed_anew(emulator: Emulator) -> None:
    emulator.faults.add(Fault(status=503, count=3))
    [room] = emulator.store.seed(1)
    ticks = itertools.count(int(time.time()), 2)
    async with quick_gateway(upstream_of(emulator), clock=lambda: next(ticks)) as quick:
        await get(quick, room)
    requests = entries(emulator, "GetRoom")
    assert len({entry.headers["x-ms-date"] for entry in requests}) == 4
    assert len({entry.headers["Authorization"] for entry in requests}) == 4


@pytest.mark.parametrize("operation", OPERATIONS[:4], ids=lambda each: each.name)
async def test_a_stale_connection_counts_one_attempt(
    operation: Operation,
) -> None:
    """No request is sent that is not counted."""
    async with (
        scripted(answer(b'{"id":"1"}'), hang_up, answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream, max_attempts=1) as quick,
    ):
        await get(quick, "1")
        failed = await failure_of(operation.call(quick, "1"))
        assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
        assert failed.metadata["attempts"] == "1"
        assert (len(server.requests), server.connections) == (2, 1)


async def test_a_stale_connection_costs_one_attempt() -> None:
    """The retry succeeds on a new connection."""
    async with (
        scripted(answer(b'{"id":"1"}'), hang_up, answer(b'{"id":"1"}')) as server,
        quick_gateway(server.upstream) as quick,
    ):
        await get(quick, "1")
        await get(quick, "1")
        assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.proves("S50")
@pytest.mark.parametrize(("method", "attempts"), [("POST", 1), ("GET", 3)])
async def test_a_non_idempotent_call_retries_reads_only(
    emulator: Emulator, method: str, attempts: int
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    upstream = upstream_of(emulator)
    async with HttpClient(
        upstream.endpoint, user_agent="test", max_connections=1, max_response_bytes=1 << 20
    ) as http:
        transport = Sender(
            http,
            upstream.endpoint,
            make_credential(upstream.credential, upstream.endpoint),
            policy=RetryPolicy(max_attempts=3, base=0.001),
        )
        call = Call("id", time.monotonic() + 60, idempotent=False)
        response = await transport.send(RestRequest(method, "/rooms?api-version=2025-03-13"), call)
    assert (response.status, call.attempts, len(emulator.journal)) == (503, attempts, attempts)


def test_every_rpc_declares_its_idempotency() -> None:
    declared = {
        method.name: MethodOptions.IdempotencyLevel.Name(method.GetOptions().idempotency_level)
        for service in SERVICES
        for method in service.methods
    }
    assert declared == {
        "CreateRoom": "IDEMPOTENT",
        "GetRoom": "NO_SIDE_EFFECTS",
        "UpdateRoom": "IDEMPOTENT",
        "DeleteRoom": "IDEMPOTENT",
        "ListRooms": "NO_SIDE_EFFECTS",
        "BulkCreateRooms": "IDEMPOTENT",
        "BulkDeleteRooms": "IDEMPOTENT",
        "UpsertParticipants": "IDEMPOTENT",
        "RemoveParticipants": "IDEMPOTENT",
        "UpdateParticipants": "IDEMPOTENT",
        "SyncParticipants": "IDEMPOTENT",
        "AdmitParticipants": "IDEMPOTENCY_UNKNOWN",
        "CreateRoomWithGuests": "IDEMPOTENCY_UNKNOWN",
        "ExplainJoin": "NO_SIDE_EFFECTS",
        "CreateUser": "IDEMPOTENCY_UNKNOWN",
        "IssueToken": "IDEMPOTENT",
        "RevokeTokens": "IDEMPOTENT",
        "DeleteUser": "IDEMPOTENT",
        "ExchangeTeamsUserToken": "IDEMPOTENT",
        "ListParticipants": "NO_SIDE_EFFECTS",
    }
