"""Flags that select rooms of a list."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import click

from rooms_gateway.cli.client.inputs import INSTANT, Instant, RoomFilter, parse_instant

_FORMS = "ISO 8601 (UTC without an offset), now, or an offset from now such as -7d or +12h"


def filter_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of a filter to a command; it receives them as `room_filter`."""

    @click.option("--open-now", is_flag=True, help="Only rooms that participants can join now.")
    @click.option(
        "--valid-at",
        type=INSTANT,
        help=f"Only rooms that participants can join at this time: {_FORMS}.",
    )
    @click.option("--created-after", type=INSTANT, help="Only rooms created after this time.")
    @click.option("--created-before", type=INSTANT, help="Only rooms created before this time.")
    @click.option(
        "--closes-before",
        type=INSTANT,
        help="Only rooms with a window that ends, or has ended, before this time.",
    )
    @click.option(
        "--dial-out/--no-dial-out",
        default=None,
        help="Only rooms with, or without, PSTN dial-out.",
    )
    @functools.wraps(command)
    def with_filter(
        *,
        open_now: bool,
        valid_at: Instant | None,
        created_after: Instant | None,
        created_before: Instant | None,
        closes_before: Instant | None,
        dial_out: bool | None,
        **others: object,
    ) -> None:
        if open_now and valid_at is not None:
            raise click.UsageError("--open-now and --valid-at exclude each other")
        if open_now:
            valid_at = parse_instant("now", time.time())
        room_filter = RoomFilter(valid_at, created_after, created_before, closes_before, dial_out)
        command(room_filter=room_filter, **others)

    return with_filter
