"""The benchmark measures what it says: every arm really makes the calls that are counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("uvloop", reason="make bench installs what is measured")

from benchmarks.speed import contenders, upstream
from benchmarks.speed.contenders import AS_IT_SHIPS, Arm
from benchmarks.speed.measure import Load, WentWrong
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import Work, create_room, get_room, list_rooms, upsert

TOOLS = Path(__file__).parents[2] / ".tools" / "bench"

pytestmark = pytest.mark.skipif(
    not (TOOLS / "load").exists(), reason="no Go here to build the load generator with"
)

CALLS = 12
GATEWAY = contenders.gateway("gateway", contenders.ROOT, *AS_IT_SHIPS)
SMALL = (get_room(3), create_room(10), upsert(350), list_rooms(5, 20), get_room(3).over_tls())


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with upstream.serving(TOOLS / "stub") as serving:
        yield serving


def requests_for(work: Work) -> int:
    return CALLS * (work.pages or 1)


@pytest.mark.parametrize(
    "arm",
    [GATEWAY, contenders.bare(), contenders.floor, contenders.naive],
    ids=lambda arm: arm.name,
)
def test_every_counted_call_of_a_gateway_reached_the_upstream(stub: Stub, arm: Arm) -> None:
    for tls in (False, True):
        with arm.running(stub, tls=tls) as running:
            for work in (work for work in SMALL if work.tls == tls):
                stub.shape(work.pages, work.size)
                before = stub.requests
                sample = Load(TOOLS / "load").run(work, [running], seconds=0, calls=CALLS)
                assert (sample.calls, sample.errors) == (CALLS, 0), work.name
                assert sample.items == CALLS * work.pages * work.size
                assert stub.requests - before == requests_for(work)
                assert sample.server_cpu > 0


def test_the_bound_answers_without_an_upstream(stub: Stub) -> None:
    before = stub.requests
    with contenders.echo.running(stub) as running:
        sample = Load(TOOLS / "load").run(get_room(3), [running], seconds=0, calls=CALLS)
    assert sample.calls == CALLS
    assert stub.requests == before


def test_an_answer_that_lacks_something_is_no_success(stub: Stub) -> None:
    work = list_rooms(5, 20)
    stub.shape(work.pages, work.size)
    with GATEWAY.running(stub) as running:
        load = Load(TOOLS / "load")
        with pytest.raises(WentWrong, match="a list of 100, not 105"):
            load.run(replace(work, size=21), [running], seconds=0, calls=CALLS)
        with pytest.raises(WentWrong, match="grpc-status 3"):
            load.run(upsert(351), [running], seconds=0, calls=CALLS)
