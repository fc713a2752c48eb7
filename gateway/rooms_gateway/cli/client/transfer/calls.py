"""Repeats calls of an export or import that failed for a reason that passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from rooms_gateway.cli.client.failures import read_failure

T = TypeVar("T")

ATTEMPTS = 5
_LONGEST_WAIT = 60.0
_PASSING = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED}
)


def with_retries(call: Callable[[], T], sleep: Callable[[float], object] = time.sleep) -> T:
    """Make a call, up to ATTEMPTS times, with the delay of the gateway or an exponential backoff.

    Raises grpc.RpcError if the last attempt fails, or an attempt for another reason.
    """
    for number in range(1, ATTEMPTS):
        try:
            return call()
        except grpc.RpcError as error:
            failure = read_failure(error)
            # Without a reason, the gateway has not responded: it may be the wrong address.
            if failure.code not in _PASSING or not failure.reason:
                raise
            sleep(min(failure.retry_after or 2.0 ** (number - 1), _LONGEST_WAIT))
    return call()
