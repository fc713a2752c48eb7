"""Options of `rooms-gateway serve` that say how much it takes on, and from whom."""

from __future__ import annotations

import click

from rooms_gateway.cli.serve.options import Command, setting


def limit_flags(command: Command) -> Command:
    """Give `command` the flags of admission, each as a field of Settings."""
    for option in reversed(
        (
            setting(
                "--max-queued-calls",
                type=click.IntRange(min=0),
                default=800,
                help="Unary calls that wait for others to end, callers by turns; more are refused "
                "with RESOURCE_EXHAUSTED.",
            ),
            setting(
                "--max-streams",
                type=click.IntRange(min=1),
                default=100,
                help="Lists read at once; more are refused with RESOURCE_EXHAUSTED.",
            ),
            setting(
                "--max-calls-per-caller",
                type=click.IntRange(min=1),
                help="How many of --max-concurrent-calls one caller may have. All by default.",
            ),
            setting(
                "--max-streams-per-caller",
                type=click.IntRange(min=1),
                help="How many of --max-streams one caller may have. All by default.",
            ),
            setting(
                "--write-stall-timeout",
                type=click.FloatRange(min=0, min_open=True),
                default=60.0,
                help="Seconds that the reader of a list may leave a page before the list is ended.",
            ),
            setting(
                "--max-connection-age",
                type=click.FloatRange(min=0),
                default=0.0,
                help="Seconds after which a client is asked to connect anew, so that clients "
                "spread over new replicas; 0: never.",
            ),
        )
    ):
        command = option(command)
    return command
