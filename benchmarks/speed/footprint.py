"""Startup time and memory of the gateway."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

import grpc

from benchmarks.speed.contenders import Arm
from benchmarks.speed.measure import Load
from benchmarks.speed.progress import say
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import get_room, list_rooms

MIB = 1024 * 1024
PAGE = 100
WARM_UP = 50
IDLE = 1000
SETTLE = 2.0
"""Time after the last connection, in seconds."""


def start(stub: Stub, load: Load, gateway: Arm, times: int) -> dict[str, float]:
    """Return the startup time in seconds, and memory in MiB at rest and after calls."""
    seconds, resting, worked = [], [], []
    for number in range(1, times + 1):
        say(f"start {number} of {times}")
        with gateway.running(stub) as running:
            seconds.append(running.start_seconds)
            resting.append(running.rss / MIB)
            load.run(get_room(16), [running], seconds=0.5)
            worked.append(running.rss / MIB)
    return {
        "seconds": median(seconds),
        "rss_mib": median(resting),
        "rss_after_calls_mib": median(worked),
    }


def idle_connections(stub: Stub, gateways: Sequence[Arm]) -> dict[str, float]:
    """Return the memory of an idle connection to each gateway, in KiB."""
    sizes = {}
    for gateway in gateways:
        say(f"idle connections, {gateway.name}")
        with gateway.running(stub) as running:
            # The first ones pay for what all share.
            channels = [_connected(running.address, number) for number in range(WARM_UP)]
            before = running.rss
            channels += [_connected(running.address, WARM_UP + n) for n in range(IDLE)]
            time.sleep(SETTLE)
            sizes[gateway.name] = (running.rss - before) / IDLE / 1024
            for channel in channels:
                channel.close()
    return sizes


def _connected(address: str, number: int) -> grpc.Channel:
    # Channels with equal options share a connection.
    channel = grpc.insecure_channel(address, [("number", number)])
    grpc.channel_ready_future(channel).result(timeout=60)
    return channel


def lists(stub: Stub, load: Load, gateway: Arm, lengths: tuple[int, ...]) -> dict[str, float]:
    """Return the peak memory of one gateway after lists of each length, in MiB.

    A few of the shortest run first, so that the cost of the first use is not counted.
    """
    peaks = {}
    with ExitStack() as parts:
        running = parts.enter_context(gateway.running(stub))
        for length in (lengths[0], *lengths):
            say(f"a list of {length:,} rooms")
            work = list_rooms(length // PAGE, PAGE, callers=1)
            stub.shape(work.pages, work.size)
            load.run(work, [running], seconds=0, calls=20 if length == lengths[0] else 1)
            peaks[str(length)] = running.peak_rss / MIB
    return peaks
