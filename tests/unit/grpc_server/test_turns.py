"""Fair scheduling of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rooms_gateway.grpc_server.turns import SLICE, Turns


class Work:
    """A connection with a number of turns to take, each of which uses up the slice."""

    def __init__(self, turns: Turns, log: list[str], name: str, left: int) -> None:
        self.scheduled = False
        self.left = left
        self._turns, self._log, self._name = turns, log, name

    def take_turn(self) -> bool:
        if not self.left:
            return False
        self.left -= 1
        self._log.append(self._name)
        self._turns.spent += SLICE
        return True


async def until_idle(turns: Turns, each_round: Callable[[], None] = lambda: None) -> None:
    while turns.paused:
        await asyncio.sleep(0)
        each_round()


async def test_idle_connection_precedes_busy_ones() -> None:
    turns, log = Turns(asyncio.get_running_loop()), list[str]()
    for name in ("a", "b", "c"):
        turns.wait(Work(turns, log, name, 3), small=True)
    late = Work(turns, log, "late", 1)

    def join() -> None:
        if len(log) == 4 and not late.scheduled:
            turns.wait(late, small=True)

    await until_idle(turns, join)
    assert "".join(log).replace("late", "L") == "abcaLbcabc"


async def test_connection_is_first_once() -> None:
    """One that always has frames waits in order, also if it had none for a moment."""
    turns, log = Turns(asyncio.get_running_loop()), list[str]()
    greedy = Work(turns, log, "g", 1)
    turns.wait(Work(turns, log, "a", 3), small=True)
    turns.wait(greedy, small=True)

    def more() -> None:
        if not greedy.left and len(log) < 5:
            greedy.left = 1
            turns.wait(greedy, small=True)

    await until_idle(turns, more)
    assert "".join(log) == "agagag"


async def test_much_to_process_does_not_come_first() -> None:
    turns, log = Turns(asyncio.get_running_loop()), list[str]()
    for number in range(3):
        turns.wait(Work(turns, log, f"{number}", 1), small=False)
    turns.wait(Work(turns, log, "s", 1), small=True)
    await until_idle(turns)
    assert "".join(log) == "s012"


async def test_frames_are_processed_at_once_afterwards() -> None:
    turns, log = Turns(asyncio.get_running_loop()), list[str]()
    work = Work(turns, log, "a", 2)
    turns.wait(work, small=True)
    await until_idle(turns)
    assert not turns.paused
    assert not work.scheduled
