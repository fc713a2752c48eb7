"""The table of scenarios."""

from __future__ import annotations

from benchmarks.faults.admissions.scenarios import ADMISSION_SCENARIOS
from benchmarks.faults.calls import EVERYTHING, Kind
from benchmarks.faults.jobs.scenarios import JOB_SCENARIOS
from benchmarks.faults.scenario import Scenario
from benchmarks.faults.throttling import THROTTLING
from benchmarks.faults.verdicts import DEADLINE, NOTHING, Right
from rooms_emulator import Fault, preset

# _LATE: the deadline may also end during the retries.
_UNAVAILABLE = Right.of("UNAVAILABLE", reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE")
_LATE = Right.of(
    "UNAVAILABLE",
    DEADLINE,
    reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE ERROR_REASON_DEADLINE_EXCEEDED",
)
_FAILED = Right.of(
    "UNAVAILABLE",
    "INTERNAL",
    DEADLINE,
    reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE ERROR_REASON_UPSTREAM_FAILED "
    "ERROR_REASON_DEADLINE_EXCEEDED",
)
_UNREADABLE = Right.of(
    "INTERNAL",
    "UNAVAILABLE",
    reasons="ERROR_REASON_UPSTREAM_RESPONSE_INVALID ERROR_REASON_UPSTREAM_UNAVAILABLE",
)
_REFUSED_LINK = Right.of(
    "INTERNAL", reasons="ERROR_REASON_UPSTREAM_RESPONSE_INVALID", success=False
)
_CREDENTIAL = Right.of(
    "UNAVAILABLE", "UNAUTHENTICATED", reasons="ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
)
# NOT_FOUND: the channel retries a delete that a replica completed before it was killed.
_GONE = Right.of("UNAVAILABLE", DEADLINE, "NOT_FOUND")


def _status(status: int, *codes: str, reasons: str, **others: object) -> Scenario:
    right = Right.of(*codes, reasons=reasons)
    what = f"status {status}"
    fault = Fault(status=status)
    return Scenario(name=str(status), what=what, fault=fault, right=right, **others)  # type: ignore[arg-type]


def _passing(name: str, what: str, right: Right, **others: object) -> Scenario:
    return Scenario(name=name, what=what, fault=preset(name), right=right, **others)  # type: ignore[arg-type]


_LISTS = (Kind.LIST,)

SCENARIOS = (
    Scenario(name="none", what="no fault"),
    # The connection.
    _passing(
        "refused",
        "connections refused for 0.2 s",
        _UNAVAILABLE,
        share=1 / 250,
        spreads=True,
        trials=500,
    ),
    _passing("reset", "TCP reset before the reply", _UNAVAILABLE),
    _passing("reset-after-effect", "TCP reset after the effect", _UNAVAILABLE),
    _passing("closed-before-reply", "closed before the reply", _UNAVAILABLE),
    _passing("closed-after-effect", "closed after the effect", _UNAVAILABLE),
    _passing("truncated", "closed after 10 bytes of the body", _UNAVAILABLE),
    # Time.
    _passing("jittery", "0.02 to 0.22 s late", _LATE, share=1.0, trials=300, callers=32),
    _passing("late", "2 s late, deadline 1 s", _LATE, trials=200, callers=64, deadline=1.0),
    _passing("hanging", "no response", _LATE, trials=200, callers=64, deadline=1.5),
    _passing(
        "slow-drip", "20 bytes of the body per second", _LATE, trials=200, callers=64, deadline=1.5
    ),
    # Statuses.
    _status(400, "INVALID_ARGUMENT", reasons="ERROR_REASON_UPSTREAM_REJECTED_REQUEST"),
    _status(403, "PERMISSION_DENIED", reasons="ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
    _status(
        404,
        "NOT_FOUND",
        "INTERNAL",
        reasons="ERROR_REASON_ROOM_NOT_FOUND ERROR_REASON_UPSTREAM_RESPONSE_INVALID",
    ),
    _status(408, "UNAVAILABLE", DEADLINE, reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE"),
    _status(409, "ALREADY_EXISTS", "ABORTED", reasons="ERROR_REASON_CONFLICT"),
    _status(412, "FAILED_PRECONDITION", reasons="ERROR_REASON_PRECONDITION_FAILED"),
    _status(
        413,
        "INVALID_ARGUMENT",
        "RESOURCE_EXHAUSTED",
        reasons="ERROR_REASON_UPSTREAM_REJECTED_REQUEST",
    ),
    *THROTTLING,
    _passing("unavailable", "status 503", _LATE),
    _passing("mixed-5xx", "500, 502, 503, 504 at 20 %", _FAILED, share=0.2, callers=64),
    _passing("proxy-error", "502 with HTML", _LATE),
    Scenario(
        name="foreign-refusals",
        what="400, 403, 404, 405 with HTML",
        fault=Fault(
            status=(400, 403, 404, 405),
            # Without a code, the Rooms service cannot have sent the response.
            headers={"Content-Type": "text/html", "x-ms-error-code": ""},
            body="<html>Not available</html>",
        ),
        right=_UNREADABLE,
        # Deletes are repeated after lost requests, so that a 404 could be taken for their effect.
        also=Fault(operation="DeleteRoom", drop="before", probability=0.5, count=None),
        kinds=(*EVERYTHING, *(Kind.DELETE,) * 3),
    ),
    _passing(
        "outage",
        "503 to everything",
        _LATE,
        share=1.0,
        callers=256,
        deadline=2.0,
        outage=True,
    ),
    # Bodies.
    _passing("wrong-content-type", "Content-Type: text/html", _UNREADABLE),
    _passing("invalid-json", "half a JSON body", _UNREADABLE),
    _passing("invalid-utf8", "a body that is not UTF-8", _UNREADABLE),
    _passing("unknown-role", "an undefined role", NOTHING, kinds=_LISTS, trials=500),
    _passing("huge-body", "a body of 10 MB", _UNREADABLE, trials=200),
    _passing("gzip-bomb", "20 MB of spaces in 20 kB of gzip", _UNREADABLE, trials=200),
    Scenario(
        name="huge-error",
        what="503 with a body of 10 MB",
        fault=Fault(status=503, pad=10_000_000),
        right=_LATE,
        trials=200,
    ),
    # Links to the next page.
    Scenario(
        name="looping-next-link",
        what="nextLink refers to its own page",
        fault=preset("looping-next-link"),
        right=_REFUSED_LINK,
        share=1.0,
        kinds=_LISTS,
        trials=48,
        deadline=2.0,
    ),
    _passing(
        "foreign-next-link", "nextLink to another host", _REFUSED_LINK, kinds=_LISTS, trials=200
    ),
    _passing(
        "downgraded-next-link", "nextLink to another port", _REFUSED_LINK, kinds=_LISTS, trials=200
    ),
    _passing(
        "userinfo-next-link", "nextLink with user info", _REFUSED_LINK, kinds=_LISTS, trials=200
    ),
    # Credentials and time.
    _passing(
        "clock-skew",
        "the upstream's clock jumps by 15 min",
        _CREDENTIAL,
        share=1.0,
        spreads=True,
        trials=300,
    ),
    _passing(
        "key-rotated", "the first key is revoked", _CREDENTIAL, share=1.0, spreads=True, trials=300
    ),
    _passing("token-refused", "status 401", _CREDENTIAL),
    Scenario(
        name="refused-person",
        what="a phone number on the roster, which the 400 response repeats",
        kinds=(Kind.REJECTED,),
        right=Right.of(
            "INVALID_ARGUMENT", reasons="ERROR_REASON_UPSTREAM_REJECTED_REQUEST", success=False
        ),
        spreads=True,
        trials=300,
    ),
    # The upstream as a whole.
    Scenario(
        name="dns-failure",
        what="the host has no address",
        right=_LATE,
        spreads=True,
        special="dns",
        trials=96,
        deadline=3.0,
    ),
    Scenario(
        name="tls-expired",
        what="the upstream's certificate has expired",
        right=_LATE,
        spreads=True,
        special="tls",
        trials=96,
        deadline=3.0,
    ),
    Scenario(
        name="upstream-restart",
        what="the upstream restarts 3 times",
        right=_UNAVAILABLE,
        spreads=True,
        special="restart",
    ),
    # Clients and processes of the system.
    Scenario(
        name="client-cancel",
        what="callers cancel after 0 to 30 ms",
        fault=Fault(latency=0.05),
        share=0.5,
        right=Right.of("CANCELLED"),
        spreads=True,
        cancel=0.03,
    ),
    Scenario(
        name="client-deadline",
        what="deadline 50 ms, half of the responses 0.2 s late",
        fault=Fault(latency=0.2),
        share=0.5,
        right=_LATE,
        spreads=True,
        deadline=0.05,
    ),
    Scenario(
        name="slow-reader",
        what="lists of 20 pages, read at 50 ms per page",
        kinds=(Kind.LIST_ROOMS,),
        rooms=600,
        pause=0.05,
        trials=32,
        deadline=10.0,
    ),
    Scenario(
        name="idle-streams", what="1,000 idle streams open", special="idle", only=("gateway",)
    ),
    Scenario(
        name="rolling-restart",
        what="SIGTERM to each of two replicas, under load",
        special="rolling",
        callers=8,
        only=("gateway", "naive"),
    ),
    Scenario(
        name="sigkill",
        what="SIGKILL to each of two replicas, under load",
        right=_GONE,
        spreads=True,
        special="kill",
        callers=8,
        only=("gateway", "naive"),
    ),
    *ADMISSION_SCENARIOS,
    *JOB_SCENARIOS,
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
