"""The fixtures `rooms_emulator` and `rooms_gateway`, for tests of services that call the gateway.

pytest finds them by the entry point `rooms_gateway` as soon as the package is installed. Each test
has processes of its own, on free ports: tests can run side by side (pytest-xdist).
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rooms_gateway.testing import RoomsEmulator, RoomsGateway

_FIXTURES = ("rooms_emulator", "rooms_gateway")
_SEED = "rooms_fault_seed"
_SEED_BITS = 32


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --rooms-fault-seed."""
    parser.getgroup("rooms-gateway").addoption(
        "--rooms-fault-seed",
        dest=_SEED,
        type=int,
        default=None,
        metavar="SEED",
        help="Decides what rooms_emulator draws for faults. By default one is drawn for the run.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed of the run, unless it is given; workers of pytest-xdist share one."""
    if config.getoption(_SEED) is None:
        shared = getattr(config, "workerinput", {}).get(_SEED)
        drawn = random.SystemRandom().getrandbits(_SEED_BITS)
        setattr(config.option, _SEED, drawn if shared is None else shared)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the seed."""
    node.workerinput[_SEED] = node.config.getoption(_SEED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure what the processes of the test have seen."""
    report = yield
    if report.when == "call" and report.failed:
        values = getattr(item, "funcargs", {})
        for name in _FIXTURES:
            if name in values:
                report.sections.append((name, values[name].describe()))
    return report


@pytest.fixture
def rooms_emulator_options() -> Sequence[str]:
    """Give more flags of `rooms-gateway emulator`: override it to have some."""
    return ()


@pytest.fixture
def rooms_gateway_options() -> Sequence[str]:
    """Give more flags of `rooms-gateway serve`: override it to have some."""
    return ()


@pytest.fixture
def rooms_emulator(
    request: pytest.FixtureRequest, rooms_emulator_options: Sequence[str]
) -> Iterator[RoomsEmulator]:
    """Run an emulator of the Rooms REST API that fails on order."""
    # Not at the top: every run of pytest on a machine with the package imports this module.
    from rooms_gateway.testing import RoomsEmulator  # noqa: PLC0415

    emulator = RoomsEmulator(_seed(request), rooms_emulator_options)
    try:
        yield emulator
    finally:
        emulator.finish()


@pytest.fixture
def rooms_gateway(
    rooms_emulator: RoomsEmulator, rooms_gateway_options: Sequence[str], tmp_path: Path
) -> Iterator[RoomsGateway]:
    """Run a gateway in front of `rooms_emulator`."""
    from rooms_gateway.testing import RoomsGateway  # noqa: PLC0415 - as above

    gateway = RoomsGateway(
        rooms_emulator.endpoint, rooms_emulator.key, tmp_path, rooms_gateway_options
    )
    try:
        yield gateway
    finally:
        gateway.finish()


def _seed(request: pytest.FixtureRequest) -> int:
    seed: Any = request.config.getoption(_SEED)
    return int(seed)
