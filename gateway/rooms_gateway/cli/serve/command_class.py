"""The command class of `serve` and of all that takes the same flags."""

from __future__ import annotations

import os
from typing import Any

import click

from rooms_gateway.cli.serve.sources import Setting, SettingsContext, ended
from rooms_gateway.cli.serve.variables import unknown_variables


class SettingsCommand(click.Command):
    """A command whose settings come from flags, environment and file, with all faults kept.

    Whoever has the callback ends it with `Reading.of(context).exit_if_faulty(context)`, once it has
    checked what it can.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read everything; faults are in `Reading.of(ctx)` afterwards."""
        reading = SettingsContext(os.environ)
        reading.begin(ctx)
        left = list(args)
        while True:
            try:
                # A copy: the parser empties what it is given.
                return super().parse_args(ctx, [*left])
            except (click.NoSuchOption, click.BadOptionUsage) as error:
                # The parser stops at the first flag that it does not know, before it has looked at
                # any value: so it is asked again without this one.
                kept = [arg for arg in left if arg.partition("=")[0] != error.option_name]
                if len(kept) == len(left):
                    raise
                reading.note(error.format_message())
                left = kept
            except click.UsageError as error:
                # Words that belong to no flag. After an unknown flag they are its value.
                if not reading.faults:
                    reading.note(error.format_message())
                return []

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, after a word on environment variables that look mistyped."""
        settings = [each for each in self.params if isinstance(each, Setting)]
        for warning in unknown_variables(os.environ, settings):
            click.echo(f"rooms-gateway: warning: {ended(warning)}", err=True)
        outcome = super().invoke(ctx)
        # Not for the command to say: others run it to check what they are about to show.
        if ctx.params.get("config_test"):
            click.echo("settings are fine")
        return outcome
