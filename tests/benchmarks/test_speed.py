"""The speed benchmark: every counted call of an arm reaches the upstream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from support.paths import ROOT

pytest.importorskip("uvloop", reason="make bench installs what is measured")

from benchmarks.speed import contenders, scaling, upstream
from benchmarks.speed.contenders import AS_IT_SHIPS, Arm
from benchmarks.speed.measure import Load, MeasurementError
from benchmarks.speed.report import Report
from benchmarks.speed.rounds import Field
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import Work, create_room, get_room, list_rooms, upsert

TOOLS = ROOT / ".tools" / "bench"

pytestmark = pytest.mark.needs("bench/load")

CALLS = 12
LOAD = Load(TOOLS / "load")
GATEWAY = contenders.gateway("gateway", contenders.ROOT, *AS_IT_SHIPS)
READ = get_room(3)
SMALL = (READ, create_room(10), upsert(350), list_rooms(5, 20), READ.over_tls())

BARE = contenders.bare()


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with upstream.serving(TOOLS / "stub") as serving:
        yield serving


@pytest.fixture(scope="module")
def field(stub: Stub) -> Iterator[Field]:
    with ExitStack() as parts:
        yield Field(stub, LOAD, parts)


def requests_for(work: Work) -> int:
    return CALLS * (work.pages or 1)


@pytest.mark.parametrize(
    ("arm", "works"),
    [
        (GATEWAY, SMALL),
        (contenders.floor, SMALL),
        (contenders.naive, SMALL),
        (BARE, (READ,)),
    ],
    ids=["gateway", "floor", "naive", "bare"],
)
def test_every_counted_call_reaches_the_upstream(
    stub: Stub, field: Field, arm: Arm, works: tuple[Work, ...]
) -> None:
    for work in works:
        running = field.running(arm, tls=work.tls)
        stub.shape(work.pages, work.size)
        before = stub.requests
        sample = LOAD.run(work, [running], seconds=0, calls=CALLS)
        assert (sample.calls, sample.errors) == (CALLS, 0), work.name
        assert sample.items == CALLS * work.pages * work.size
        assert stub.requests - before == requests_for(work)
        assert sample.server_cpu > 0


def test_the_bound_sends_no_upstream_request(stub: Stub, field: Field) -> None:
    before = stub.requests
    sample = LOAD.run(READ, [field.running(contenders.echo, tls=False)], seconds=0, calls=CALLS)
    assert sample.calls == CALLS
    assert stub.requests == before


def test_an_incomplete_response_is_an_error(stub: Stub, field: Field) -> None:
    work = list_rooms(5, 20)
    stub.shape(work.pages, work.size)
    running = field.running(GATEWAY, tls=False)
    with pytest.raises(MeasurementError, match="a list of 100, not 105"):
        LOAD.run(replace(work, size=21), [running], seconds=0, calls=CALLS)
    with pytest.raises(MeasurementError, match="grpc-status 3"):
        LOAD.run(upsert(351), [running], seconds=0, calls=CALLS)


def test_each_process_count_has_a_row(stub: Stub) -> None:
    """Rates are relative to one process."""

    def sharing(address: str) -> Arm:
        return contenders.gateway("gateway", contenders.ROOT, scaling.FLAG, listen=address)

    seen = scaling.processes(stub, LOAD, sharing, 1, 0.1, counts=(1, 2))
    assert list(seen) == ["1", "2"]
    assert seen["1"]["relative"] == 1
    assert seen["2"]["calls_per_second"] > 0
    for cores in ("gateway_cores", "load_cores", "upstream_cores"):
        assert 0 < seen["2"][cores] < 100
    page = Report({}, 1, 0.1, [], {"processes": seen}).markdown()
    rows = page.partition("### Processes on one port")[2].splitlines()
    assert [row.split("|")[1:3] for row in rows if row.startswith(("| 1 ", "| 2 "))] == [
        [" 1 ", " 1.00 "],
        [" 2 ", f" {seen['2']['relative']:.2f} "],
    ]
