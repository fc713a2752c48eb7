"""Sending of REST requests with signature, timeout and retries."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from rooms_gateway.call import Call
from rooms_gateway.errors import (
    DeadlineExceededError,
    InvalidUpstreamResponseError,
    UpstreamMisconfiguredError,
    UpstreamUnavailableError,
)
from rooms_gateway.telemetry.observers import (
    NOOP_OBSERVER,
    AttemptFailure,
    CredentialEvent,
    ResourceObserver,
)
from rooms_gateway.upstream.credentials import Credential, Signer
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.error_response import is_attributed, rejects_credential
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.messages import OperationFamily, RestRequest, RestResponse
from rooms_gateway.upstream.transport.pacing.pacer import Pacer, make_pacers
from rooms_gateway.upstream.transport.retry import (
    RETRYABLE_STATUSES,
    RetryBudget,
    RetryPolicy,
    http_date,
    retry_after,
)

__all__ = ["RestRequest", "RestResponse", "RetryBudget", "RetryPolicy", "Sender"]

UNAUTHORIZED = 401
THROTTLED = 429

MAX_REJECTED = 4
"""Keys or tokens that one call tries: two, and two that replace them during the call."""

TOLERATED_SKEW = 60.0
"""Clock difference, in seconds, that does not explain a 401."""

PLAUSIBLE_SKEW = 100 * 365 * 86400.0
"""Clock difference, in seconds, above which a date is ignored; a larger one overflows dates."""

_DEADLINE_PASSED = "the deadline passed before the Rooms service responded"

_OTHER_IDS = ("x-ms-request-id", "X-Azure-Ref", "x-request-id")
"""Headers by which a response without `MS-CV` can be found, which a proxy may have sent."""

_SAFE_ID = re.compile(r"[!-~]{1,128}")
"""An id that log lines can contain."""

logger = logging.getLogger(__name__)


class Sender:
    """Sends REST requests to one endpoint and signs each attempt."""

    def __init__(
        self,
        http: HttpClient,
        endpoint: Endpoint,
        credential: Credential,
        *,
        attempt_timeout: float = 10.0,
        policy: RetryPolicy | None = None,
        budget: RetryBudget | None = None,
        pacers: Mapping[OperationFamily, Pacer] | None = None,
        observer: ResourceObserver = NOOP_OBSERVER,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`attempt_timeout` is in seconds.

        `clock` returns seconds since the epoch, `monotonic` those of the clock of the pacers.
        """
        self._http = http
        self._host = endpoint.authority
        self._credential = credential
        self._attempt_timeout = attempt_timeout
        self._policy = policy or RetryPolicy()
        self.budget = budget or RetryBudget()
        self.pacers = pacers or make_pacers()
        self._observer = observer
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._skew = 0.0
        self._last_headers: tuple[Mapping[str, str], float] | None = None

    async def send(self, request: RestRequest, call: Call) -> RestResponse:
        """Send `request`, with retries, and return the last response, whatever its status.

        A 401 of the Rooms service, and any 429, mean that nothing was done, so the retry policy
        does not count that attempt. Raises DeadlineExceededError when the deadline of `call`
        passes, ThrottledError if the pacer cannot send the request before,
        UpstreamUnavailableError if the last attempt got no response, UpstreamMisconfiguredError if
        no attempt can get one, InvalidUpstreamResponseError if a response is too large or
        compressed, and CredentialExpiredError if there is no valid credential.
        """
        self.budget.deposit()
        self._observer.request_started()
        pacer = self.pacers[request.family]
        signer = self._credential.signer
        rejected: list[Signer] = []
        ambiguous = False
        attempt = sent = throttled = unauthorized = 0
        while True:
            if pacer.engaged:
                await pacer.acquire(call, again=throttled > 0)
            sent_at, signed_at = self._monotonic(), self._clock() + self._skew
            outcome = await self._attempt(request, call, signer, pacer, sent_at, signed_at, sent)
            sent += 1
            wait: float | None
            if isinstance(outcome, RestResponse) and outcome.status == THROTTLED:
                requested_wait = retry_after(outcome.headers, self._clock())
                wait = pacer.rejected(call, requested_wait, sent_at, throttled)
                throttled += 1
            else:
                if isinstance(outcome, RestResponse):
                    if outcome.status == UNAUTHORIZED and rejects_credential(outcome):
                        unauthorized += 1
                        another = await self._signer_after_401(
                            outcome, signer, signed_at, rejected, call, first=unauthorized == 1
                        )
                        if another is not None:
                            signer = another
                            continue
                    if outcome.status not in RETRYABLE_STATUSES:
                        if rejected and outcome.status != UNAUTHORIZED and is_attributed(outcome):
                            self._credential.prefer(signer)
                        return outcome.after(ambiguous=ambiguous)
                ambiguous |= isinstance(outcome, RestResponse) or outcome.kind.sent
                attempt += 1
                wait = self._wait_before_retry(outcome, request, call, attempt)
            if wait is None:
                return self._give_up(outcome, call)
            await self._sleep(wait)

    def _wait_before_retry(
        self, outcome: RestResponse | AttemptError, request: RestRequest, call: Call, attempt: int
    ) -> float | None:
        """Return the wait after failed attempt number `attempt`, in seconds; None: no retry."""
        requested = None
        if isinstance(outcome, RestResponse):
            requested = retry_after(outcome.headers, self._clock())
        elif outcome.kind.permanent:
            return None
        wait = self._policy.wait(attempt, requested)
        # Nothing was sent, or GET, which is idempotent even in a call that is not.
        unsent = isinstance(outcome, AttemptError) and not outcome.kind.sent
        may_repeat = call.idempotent or unsent or request.method == "GET"
        if wait is None or not may_repeat or wait >= call.remaining() or not self._withdraw():
            return None
        return wait

    async def _attempt(
        self,
        request: RestRequest,
        call: Call,
        signer: Signer,
        pacer: Pacer,
        sent_at: float,
        signed_at: float,
        resends: int,
    ) -> RestResponse | AttemptError:
        timeout = min(self._attempt_timeout, call.remaining())
        if timeout <= 0:
            raise DeadlineExceededError(_DEADLINE_PASSED)
        call.attempts += 1
        signature = signer.sign(request.method, request.target, self._host, request.body, signed_at)
        result: int | AttemptFailure = AttemptFailure.OTHER
        trace = call.trace.attempt_started(request.method, request.target, resends)
        try:
            headers = {**signature, **trace.headers} if trace.headers else signature
            response = await self._http.request(request, headers, timeout)
            result = response.status
        except AttemptError as error:
            result = error.kind
            return error
        except InvalidUpstreamResponseError:
            result = AttemptFailure.INVALID
            raise
        except asyncio.CancelledError:
            result = AttemptFailure.CANCELLED
            raise
        finally:
            self._observer.attempt_ended(request.method, result, self._monotonic() - sent_at)
            trace.ended(result)
        self._last_headers = (response.headers, self._clock())
        # From here on not in functions: each call runs this.
        if response.status != THROTTLED:
            if pacer.engaged or sent_at >= pacer.period_end:
                pacer.accepted(sent_at)
            else:
                pacer.count += 1
        vector = response.headers.get("MS-CV", "") or _other_id(response.headers)
        call.upstream_request_id = vector if _SAFE_ID.fullmatch(vector) else ""
        return response

    async def _signer_after_401(
        self,
        response: RestResponse,
        signer: Signer,
        signed_at: float,
        rejected: list[Signer],
        call: Call,
        *,
        first: bool,
    ) -> Signer | None:
        """Return the signer of a further attempt; None if there is none.

        The first 401 of a call may show that this host's clock is wrong.
        """
        self._observer.credential_event(CredentialEvent.REJECTED)
        if first and signer.dated and self._adopt_upstream_clock(response, signed_at):
            return signer
        rejected.append(signer)
        return await self._another_signer(rejected, call)

    async def _another_signer(self, rejected: list[Signer], call: Call) -> Signer | None:
        """Return a key or token that the upstream has not rejected yet; None if there is none."""
        if len(rejected) == MAX_REJECTED:
            return None
        try:
            async with asyncio.timeout(call.remaining()):
                return await self._credential.replacement(rejected)
        except TimeoutError:
            raise DeadlineExceededError(_DEADLINE_PASSED) from None

    def _withdraw(self) -> bool:
        """Take a retry from the budget; return False if none is left."""
        if self.budget.withdraw():
            return True
        self._observer.retry_withheld()
        return False

    def clock_skew(self) -> float | None:
        """Return how far the upstream's clock is ahead, in seconds, by its last response.

        Accurate to half a second, because a Date header has whole seconds. None if unknown.
        """
        if self._last_headers is None:
            return None
        headers, received_at = self._last_headers
        date = http_date(headers.get("Date", ""))
        skew = None if date is None else date + 0.5 - received_at
        return None if skew is None or abs(skew) > PLAUSIBLE_SKEW else skew

    @staticmethod
    def _give_up(outcome: RestResponse | AttemptError, call: Call) -> RestResponse:
        if isinstance(outcome, RestResponse):
            return outcome
        if outcome.kind.permanent:
            raise UpstreamMisconfiguredError(f"no response from {outcome}") from outcome
        if call.remaining() <= 0:
            raise DeadlineExceededError(_DEADLINE_PASSED)
        raise UpstreamUnavailableError(f"no response from {outcome}") from outcome

    def _adopt_upstream_clock(self, response: RestResponse, signed_at: float) -> bool:
        """After a 401, use the upstream's clock if it differs from `signed_at` by too much."""
        date = http_date(response.headers.get("Date", ""))
        if date is None or abs(date - signed_at) < TOLERATED_SKEW:
            return False
        skew = date - self._clock()
        if abs(skew) > PLAUSIBLE_SKEW:
            return False
        self._skew = skew
        logger.warning(
            "clock skew: this host's clock is off by %.0f s; signing requests by the clock of the "
            "Rooms service",
            -self._skew,
        )
        return True


def _other_id(headers: Mapping[str, str]) -> str:
    return next((value for name in _OTHER_IDS if (value := headers.get(name, ""))), "")
