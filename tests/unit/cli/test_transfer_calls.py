"""Calls of exports and imports that are repeated."""

from __future__ import annotations

import typing

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from rooms_gateway.cli.client.transfer.calls import ATTEMPTS, with_retries


class FailedError(grpc.RpcError):
    """A failed call, with a reason and a retry delay in seconds."""

    def __init__(self, code: grpc.StatusCode, reason: str, delay: int | None = None) -> None:
        self._code = code
        details = [ErrorInfo(reason=reason)] if reason else []
        if delay is not None:
            details.append(RetryInfo(retry_delay=Duration(seconds=delay)))  # type: ignore[arg-type] # any details
        self._status = Status(details=[_packed(each) for each in details])

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "failed"

    def trailing_metadata(self) -> typing.Any:
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


def _packed(detail: ErrorInfo | RetryInfo) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def calls(error: FailedError, times: int) -> tuple[list[float], int, bool]:
    """Return the waits, the number of calls, and whether the last one has succeeded."""
    waits: list[float] = []
    made = 0

    def call() -> None:
        nonlocal made
        made += 1
        if made <= times:
            raise error

    try:
        with_retries(call, waits.append)
    except grpc.RpcError:
        return waits, made, False
    return waits, made, True


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_only_failures_that_pass_are_repeated(code: grpc.StatusCode) -> None:
    passes = code.name in {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"}
    assert calls(FailedError(code, "ERROR_REASON_X"), 1) == ([1.0] * passes, 1 + passes, passes)


def test_a_failure_of_grpc_itself_is_not_repeated() -> None:
    """The address may be that of another server, or of none."""
    assert calls(FailedError(grpc.StatusCode.UNAVAILABLE, ""), 1) == ([], 1, False)


def test_waits_grow_and_end() -> None:
    error = FailedError(grpc.StatusCode.UNAVAILABLE, "ERROR_REASON_X")
    assert calls(error, ATTEMPTS - 1) == ([1, 2, 4, 8], ATTEMPTS, True)
    assert calls(error, ATTEMPTS) == ([1, 2, 4, 8], ATTEMPTS, False)


@pytest.mark.parametrize(("delay", "wait"), [(7, 7), (3600, 60)])
def test_the_delay_of_the_gateway_is_observed(delay: int, wait: float) -> None:
    error = FailedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "ERROR_REASON_THROTTLED", delay)
    assert calls(error, 1) == ([wait], 2, True)
