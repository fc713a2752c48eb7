"""A room's roster as a whole, for answers that carry it beside the room."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from acs.rooms.v1.participants_pb2 import Participant

from gateway.call import Call
from gateway.convert.participants import participant_from_rest
from gateway.errors import RosterTooLarge
from gateway.rest import RoomsApi

A = TypeVar("A")
B = TypeVar("B")

MAX_ROSTER_BYTES = 3 * 1024 * 1024
"""Clients refuse messages over 4 MiB by default; the rest is for the room."""


async def read_roster(api: RoomsApi, room_id: str, call: Call) -> list[Participant]:
    """Read every page of a roster.

    Raises RosterTooLarge when it does not fit into one message, and what RoomsApi raises.
    """
    roster: list[Participant] = []
    size = 0
    async with aclosing(api.list_participants(room_id, None, 0, call)) as pages:
        async for page in pages:
            people = list(map(participant_from_rest, page.items))
            size += sum(person.ByteSize() for person in people)
            if size > MAX_ROSTER_BYTES:
                raise RosterTooLarge(
                    "the roster does not fit into one message: leave out include_participants, and "
                    "read it with acs.rooms.v1.ParticipantsService/ListParticipants"
                )
            roster += people
    return roster


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Await both at the same time; the first failure is raised and ends the other."""
    tasks = (asyncio.ensure_future(first), asyncio.ensure_future(second))
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
