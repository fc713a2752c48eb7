"""The command line: `rooms-gateway`, or `python -m rooms_gateway`."""

from __future__ import annotations

import importlib
import os

import click

_COMMANDS = {
    "serve": "rooms_gateway.cli.serve.command:serve",
    "check": "rooms_gateway.cli.check:check",
    "config": "rooms_gateway.cli.serve.show:config",
    "emulator": "rooms_gateway.cli.emulator:emulator",
    "run": "rooms_gateway.cli.run.command:run",
    "demo": "rooms_gateway.cli.demo:demo",
    "health": "rooms_gateway.cli.health:health",
    "wait": "rooms_gateway.cli.wait:wait",
    "shutdown": "rooms_gateway.cli.shutdown:shutdown",
    "rooms": "rooms_gateway.cli.client.commands.rooms:rooms",
    "participants": "rooms_gateway.cli.client.commands.participants:participants",
    "users": "rooms_gateway.cli.client.commands.users:users",
    "join": "rooms_gateway.cli.client.commands.join:join",
}


class _Commands(click.Group):
    """A group that imports a command when it is used, so that none pays for the others' imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


_AS_WIDE_AS_THE_TERMINAL = 1000
"""Maximum width of help, in columns; click's is 80."""


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": _AS_WIDE_AS_THE_TERMINAL,
    },
)
@click.version_option(package_name="rooms-gateway")
@click.pass_context
def main(context: click.Context) -> None:
    """Run and call a gRPC gateway for the Azure Communication Services Rooms REST API."""
    # Set before grpc is imported: its core writes to standard error too, but not as JSON. To debug
    # TLS, set GRPC_VERBOSITY=ERROR. Not for `run`: its command inherits the environment.
    if context.invoked_subcommand != "run":
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")


if __name__ == "__main__":
    main(prog_name="rooms-gateway")
