"""`make fuzz`: feed random connections to the server in the event loop until SECONDS have passed.

Each has a seed, which a failure names; `make fuzz FUZZ="--seed N --count 1"` runs it again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from random import Random

from support.driven import Driven, errors_of, server
from support.scripts import script, split


async def run(first: int, count: int | None, seconds: float) -> int:
    """Run connections from seed `first` on; return their number. Raises if one is at fault."""
    errors = errors_of(asyncio.get_running_loop())
    served, ends, seed = server(), time.monotonic() + seconds, first
    while time.monotonic() < ends and (count is None or seed < first + count):
        try:
            await one(Driven(served, reads=seed % 8 > 0), Random(seed))
            assert not errors, errors
        except BaseException:
            sys.stderr.write(f"seed {seed} fails\n")
            raise
        seed += 1
    return seed - first


async def one(driven: Driven, random: Random) -> None:
    """Feed one connection."""
    for part in split(random, script(random)):
        driven.feed(part)
        if random.random() < 0.3:
            await asyncio.sleep(0)
    await driven.settle()
    if random.random() < 0.5:
        driven.connection.check(random.choice((1.0, 100.0)))
    driven.transport.read()
    await driven.settle()
    driven.check()
    await driven.end()


class _Raise(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def main() -> None:
    """Parse the arguments, and run."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    logging.getLogger("rooms_gateway").addHandler(_Raise(logging.ERROR))
    done = asyncio.run(run(arguments.seed, arguments.count, arguments.seconds))
    sys.stdout.write(f"{done} connections without a failure\n")


if __name__ == "__main__":
    main()
