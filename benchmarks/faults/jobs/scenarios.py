"""Rows about bulk jobs, syncs and lists with rosters.

Bulk items that fail are sent again without a fault, with the id of the job; a sync that fails is
repeated next.
"""

from __future__ import annotations

from benchmarks.faults.calls import BULK, Kind
from benchmarks.faults.row import Goal
from benchmarks.faults.scenario import Scenario
from benchmarks.faults.verdicts import DEADLINE, NOTHING, Right
from rooms_emulator import Fault, preset

_UNAVAILABLE = Right.of("UNAVAILABLE", reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE")
_FAILED = Right.of(
    "INTERNAL",
    "UNAVAILABLE",
    reasons="ERROR_REASON_UPSTREAM_FAILED ERROR_REASON_UPSTREAM_UNAVAILABLE",
)
# INTERNAL: grpc.aio fails with it if a stream breaks while the caller sends an item.
_GONE = Right.of("UNAVAILABLE", "INTERNAL")


def _row(
    name: str,
    what: str,
    kinds: tuple[Kind, ...],
    fault: Fault | None,
    right: Right,
    **others: object,
) -> Scenario:
    load: dict[str, object] = {"trials": 400, "callers": 8, "width": 2, "deadline": 30.0}
    return Scenario(
        name=name,
        what=what,
        fault=fault,
        right=right,
        kinds=kinds,
        **{"only": ("gateway", "sdk"), **load, **others},  # type: ignore[arg-type]
    )


def _bulk(
    name: str,
    what: str,
    fault: Fault | None,
    right: Right,
    *,
    kinds: tuple[Kind, ...] = BULK,
    **others: object,
) -> Scenario:
    load: dict[str, object] = {"trials": 1000, "callers": 64, "width": 1, "deadline": 60.0}
    return _row(name, what, kinds, fault, right, **{**load, **others})


def _sync(name: str, what: str, fault: Fault | None, right: Right, **others: object) -> Scenario:
    return _row(name, what, (Kind.SYNC,), fault, right, **others)


JOB_SCENARIOS = (
    _bulk("bulk", "no fault", None, NOTHING),
    _bulk("bulk-lost", "response lost after the effect", Fault(drop="after"), _UNAVAILABLE),
    _bulk("bulk-500", "status 500", Fault(status=500), _FAILED),
    _bulk("bulk-reset", "TCP reset before the reply", preset("reset"), _UNAVAILABLE),
    _bulk(
        "bulk-quota",
        "creates, 100 requests per second, token bucket",
        Fault(latency=0.02),
        Right.of(
            "RESOURCE_EXHAUSTED",
            DEADLINE,
            reasons="ERROR_REASON_THROTTLED ERROR_REASON_DEADLINE_EXCEEDED",
        ),
        share=1.0,
        quota="CreateRoom=100/1s",
        spreads=True,
        kinds=(Kind.BULK_CREATE,),
        # Long enough for the learned rate to count.
        trials=3000,
        goal=Goal(succeeded=1.0, requests=1.25),
    ),
    _bulk(
        "bulk-sigkill",
        "SIGKILL to each of two replicas during the job, requests take 50 ms",
        Fault(latency=0.05),
        _GONE,
        share=1.0,
        spreads=True,
        special="kill",
        only=("gateway",),
    ),
    _sync("sync", "no fault", None, NOTHING),
    _sync(
        "sync-lost-read",
        "response with a page of the roster lost",
        Fault(operation="ListParticipants", drop="after"),
        _UNAVAILABLE,
    ),
    _sync(
        "sync-failed-pages",
        "500 to a page of the roster",
        Fault(operation="ListParticipants", status=500),
        _FAILED,
    ),
    _sync(
        "sync-lost-write",
        "response lost after every second change of the roster",
        Fault(operation="UpdateParticipants", drop="after"),
        _UNAVAILABLE,
        share=0.5,
    ),
    _sync(
        "sync-refused-write",
        "403 to every second change of the roster",
        Fault(operation="UpdateParticipants", status=403),
        Right.of("PERMISSION_DENIED", reasons="ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
        share=0.5,
    ),
    _row(
        "list-with-rosters",
        "500 to one page of a roster in 40",
        (Kind.LIST_ROSTERS,),
        Fault(operation="ListParticipants", status=500),
        _FAILED,
        share=1 / 40,
        trials=100,
        width=16,
        rooms=40,
    ),
)
