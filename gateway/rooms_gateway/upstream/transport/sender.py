"""The way to the service: sign, send, time out, retry, read. One method: `Transport.send`."""

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
    UpstreamUnavailableError,
)
from rooms_gateway.telemetry.observers import (
    NOOP_OBSERVER,
    AttemptFailure,
    CredentialEvent,
    Observer,
)
from rooms_gateway.upstream.credentials import Credential, Signer
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.http import AttemptError, HttpClient
from rooms_gateway.upstream.transport.messages import RestRequest, RestResponse
from rooms_gateway.upstream.transport.retry import (
    AMBIGUOUS_STATUSES,
    RETRYABLE_STATUSES,
    RetryBudget,
    RetryPolicy,
    http_date,
    retry_after,
)

__all__ = ["RestRequest", "RestResponse", "RetryBudget", "RetryPolicy", "Sender"]

UNAUTHORIZED = 401

MAX_REJECTED = 4
"""Keys or tokens that one call tries: two, and two that came while it was under way."""

TOLERATED_SKEW = 60.0
"""Seconds between our clock and the service's that a 401 is not blamed on."""

PLAUSIBLE_SKEW = 100 * 365 * 86400.0
"""Seconds; no clock is further off, and signing by such a date would soon be past all dates."""

_SERVICE_REQUEST_ID = re.compile(r"[!-~]{1,128}")

logger = logging.getLogger(__name__)


class Sender:
    """Sends REST requests to one endpoint, each attempt signed anew."""

    def __init__(  # noqa: PLR0913 - the seams that tests and the composition root need
        self,
        http: HttpClient,
        endpoint: Endpoint,
        credential: Credential,
        *,
        attempt_timeout: float = 10.0,
        policy: RetryPolicy | None = None,
        budget: RetryBudget | None = None,
        observer: Observer = NOOP_OBSERVER,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the parts. `attempt_timeout` is in seconds, `clock` tells seconds of the epoch."""
        self._http = http
        self._host = endpoint.authority
        self._credential = credential
        self._attempt_timeout = attempt_timeout
        self._policy = policy or RetryPolicy()
        self.budget = budget or RetryBudget()
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._skew = 0.0
        self._last_headers: tuple[Mapping[str, str], float] | None = None

    async def send(self, request: RestRequest, call: Call) -> RestResponse:
        """Send `request` until there is an answer that no retry would better; return that answer.

        A 401 means that nothing was done, so it is no attempt in the sense of the retry policy.

        Raises DeadlineExceededError when the call's time is over, UpstreamUnavailableError when no attempt
        got an answer, InvalidUpstreamResponseError when one was too large, CredentialExpiredError when there
        is nothing to sign with.
        """
        self.budget.deposit()
        self._observer.request_begun()
        signer = self._credential.signer
        rejected: list[Signer] = []
        ambiguous = clock_corrected = False
        attempt = sent = 0
        while True:
            signed_at = self._clock() + self._skew
            outcome = await self._attempt(request, call, signer, signed_at, sent)
            sent += 1
            if isinstance(outcome, RestResponse):
                if outcome.status == UNAUTHORIZED:
                    self._observer.credential_event(CredentialEvent.REJECTED)
                    if signer.dated and not clock_corrected:
                        clock_corrected = self._adopt_clock_of_service(outcome, signed_at)
                        if clock_corrected:
                            continue
                    rejected.append(signer)
                    another = await self._another_signer(rejected, call)
                    if another is not None:
                        signer = another
                        continue
                elif rejected and outcome.status not in RETRYABLE_STATUSES:
                    self._credential.prefer(signer)
                if outcome.status not in RETRYABLE_STATUSES:
                    return outcome.after(ambiguous=ambiguous)
                ambiguous |= outcome.status in AMBIGUOUS_STATUSES
                asked_wait = retry_after(outcome.headers, self._clock())
            else:
                ambiguous |= outcome.sent
                asked_wait = None
            attempt += 1
            wait = self._policy.wait(attempt, asked_wait)
            if (
                wait is None
                # A read is safe to send again, also one that prepares what is not.
                or not (call.idempotent or request.method == "GET")
                or wait >= call.remaining()
                or not self._withdraw()
            ):
                return self._give_up(outcome, call)
            await self._sleep(wait)

    async def _attempt(
        self, request: RestRequest, call: Call, signer: Signer, signed_at: float, resends: int
    ) -> RestResponse | AttemptError:
        seconds = min(self._attempt_timeout, call.remaining())
        if seconds <= 0:
            raise DeadlineExceededError("the deadline passed before the service answered")
        call.attempts += 1
        signature = signer.sign(request.method, request.target, self._host, request.body, signed_at)
        result: int | AttemptFailure = AttemptFailure.OTHER
        begun = time.monotonic()
        trace = call.trace.attempt_begun(request.method, request.target, resends)
        try:
            added = {**signature, **trace.headers} if trace.headers else signature
            answer = await self._http.request(request, added, seconds)
            result = answer.status
        except AttemptError as failure:
            result = failure.kind
            return failure
        except InvalidUpstreamResponseError:
            result = AttemptFailure.UNREADABLE
            raise
        except asyncio.CancelledError:
            result = AttemptFailure.CANCELLED
            raise
        finally:
            self._observer.attempt_ended(request.method, result, time.monotonic() - begun)
            trace.ended(result)
        self._last_headers = (answer.headers, self._clock())
        vector = answer.headers.get("MS-CV", "")
        # It goes into log lines, so it must not look like more than an id.
        call.upstream_request_id = vector if _SERVICE_REQUEST_ID.fullmatch(vector) else ""
        return answer

    async def _another_signer(self, rejected: list[Signer], call: Call) -> Signer | None:
        """After a 401: return a key or token that the service has not rejected yet."""
        if len(rejected) == MAX_REJECTED:
            return None
        try:
            async with asyncio.timeout(call.remaining()):
                return await self._credential.replacement(rejected)
        except TimeoutError:
            raise DeadlineExceededError("the deadline passed before the service answered") from None

    def _withdraw(self) -> bool:
        """Let the budget pay for a retry; False if it cannot."""
        if self.budget.withdraw():
            return True
        self._observer.retry_withheld()
        return False

    def clock_skew(self) -> float | None:
        """Return by how many seconds the service's clock is ahead of ours, by its last answer.

        To half a second, since the service tells whole ones. None if that is not known.
        """
        if self._last_headers is None:
            return None
        headers, received_at = self._last_headers
        theirs = http_date(headers.get("Date", ""))
        skew = None if theirs is None else theirs + 0.5 - received_at
        return None if skew is None or abs(skew) > PLAUSIBLE_SKEW else skew

    @staticmethod
    def _give_up(outcome: RestResponse | AttemptError, call: Call) -> RestResponse:
        if isinstance(outcome, RestResponse):
            return outcome
        if call.remaining() <= 0:
            raise DeadlineExceededError("the deadline passed before the service answered")
        raise UpstreamUnavailableError(f"no answer from the service: {outcome}") from outcome

    def _adopt_clock_of_service(self, answer: RestResponse, signed_at: float) -> bool:
        """After a 401: if the service's clock is far from the time we signed, sign by its clock."""
        theirs = http_date(answer.headers.get("Date", ""))
        if theirs is None or abs(theirs - signed_at) < TOLERATED_SKEW:
            return False
        skew = theirs - self._clock()
        if abs(skew) > PLAUSIBLE_SKEW:
            return False
        self._skew = skew
        logger.warning(
            "the clock of this machine is %.0f s off the service's; signing by the service's clock",
            -self._skew,
        )
        return True
