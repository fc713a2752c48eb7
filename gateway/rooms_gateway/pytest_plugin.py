"""pytest fixtures for tests of services that call the gateway.

Loaded through the entry point `rooms_gateway` of the installed package. Each test gets separate
processes on free ports, so that tests can run in parallel (pytest-xdist).
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rooms_gateway.testing import RoomsEmulator, RoomsGateway

__all__ = [
    "rooms_emulator",
    "rooms_emulator_control_key",
    "rooms_emulator_options",
    "rooms_gateway",
    "rooms_gateway_options",
]

_PROCESSES = ("rooms_emulator", "rooms_gateway")
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
        help="Seed of the random values of faults in rooms_emulator. Default: random.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of the run unless it is given; workers of pytest-xdist share it."""
    if config.getoption(_SEED) is None:
        shared = getattr(config, "workerinput", {}).get(_SEED)
        chosen = random.SystemRandom().getrandbits(_SEED_BITS) if shared is None else shared
        setattr(config.option, _SEED, chosen)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the seed to a worker of pytest-xdist."""
    node.workerinput[_SEED] = node.config.getoption(_SEED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests, faults and logs of the processes to the report of a failed test."""
    report = yield
    if report.when == "call" and report.failed:
        values = getattr(item, "funcargs", {})
        for name in _PROCESSES:
            if name in values:
                report.sections.append((name, values[name].describe()))
    return report


@pytest.fixture
def rooms_emulator_options() -> Sequence[str]:
    """Extra command-line flags for the emulator; override this fixture."""
    return ()


@pytest.fixture
def rooms_emulator_control_key() -> str | None:
    """Key that the emulator's control API requires, None for none; override this fixture."""
    return None


@pytest.fixture
def rooms_gateway_options() -> Sequence[str]:
    """Extra command-line flags for the gateway; override this fixture."""
    return ()


@pytest.fixture
def rooms_emulator(
    request: pytest.FixtureRequest,
    rooms_emulator_options: Sequence[str],
    rooms_emulator_control_key: str | None,
) -> Iterator[RoomsEmulator]:
    """Emulator of the Rooms REST API, in which tests inject faults; a `RoomsEmulator`."""
    # Not at the top: where the package is installed, every run of pytest imports this module.
    from rooms_gateway.testing import RoomsEmulator

    emulator = RoomsEmulator(_seed(request), rooms_emulator_options, rooms_emulator_control_key)
    try:
        yield emulator
    finally:
        emulator.finish()


@pytest.fixture
def rooms_gateway(
    rooms_emulator: RoomsEmulator, rooms_gateway_options: Sequence[str], tmp_path: Path
) -> Iterator[RoomsGateway]:
    """Gateway in front of `rooms_emulator`; a `RoomsGateway`."""
    from rooms_gateway.testing import RoomsGateway

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
