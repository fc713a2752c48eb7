"""Options of `rooms-gateway serve` that say how its listeners are protected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from rooms_gateway.addresses import parse_socket_mode
from rooms_gateway.cli.serve.options import Command, setting


class _SocketMode(click.ParamType[int, str]):
    """Permissions in octal; click has only numbers to the base of ten."""

    name = "mode"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_socket_mode(value)
        except ValueError as fault:
            return self.fail(str(fault), param, ctx)


def listener_flags(command: Command) -> Command:
    """Give `command` the flags of TLS and of Unix sockets, each as a field of Settings."""
    file = click.Path(path_type=Path, dir_okay=False)
    return _all(
        command,
        setting(
            "--tls-cert",
            type=file,
            help="A PEM file with the certificate that TCP listeners serve with, and its "
            "chain. It, its key and the client CA are read again when they change.",
        ),
        setting("--tls-key", type=file, help="A PEM file with the private key of --tls-cert."),
        setting(
            "--tls-client-ca",
            type=file,
            help="A PEM file with who signs the certificates of clients. With it, TCP "
            "listeners refuse clients without one (mTLS).",
        ),
        setting(
            "--reuse-port",
            is_flag=True,
            help="Share the ports of --listen with other processes that have this flag and the "
            "same user: see docs/how-to/several-processes.md. Without it a port is one gateway's.",
        ),
        setting(
            "--socket-mode",
            type=_SocketMode(),
            default="0660",
            help="Permissions of Unix sockets, in octal: whoever may write may connect.",
        ),
        setting(
            "--socket-group",
            metavar="NAME|GID",
            help="The group that Unix sockets belong to. By default that of the process.",
        ),
        setting(
            "--caller-policy",
            type=file,
            help="A TOML file that says who may call what: see docs/how-to/callers.md. Without "
            "one, whoever reaches a listener may call everything. Read again when it changes.",
        ),
        setting(
            "--allow-shared-socket-directory",
            is_flag=True,
            help="Make Unix sockets also in directories that everybody may write to, such as "
            "an emptyDir of Kubernetes.",
        ),
    )


def admin_flags(command: Command) -> Command:
    """Give `command` the flags of the listener for operators, each as a field of Settings."""
    return _all(
        command,
        setting(
            "--admin-allow-remote",
            is_flag=True,
            help="Let --admin-listen be an address that other machines reach, unencrypted. "
            "--allow-plaintext is for calls.",
        ),
        setting(
            "--quitquitquit",
            is_flag=True,
            help="Stop as at SIGTERM when this machine posts to /quitquitquit on --admin-listen: "
            "what rooms-gateway shutdown does.",
        ),
        setting(
            "--readiness-upstream",
            type=click.FloatRange(min=1),
            metavar="SECONDS",
            help="Ask the service every so many seconds whether it answers, and do not be ready in "
            "/readyz while it does not: an outage takes all replicas out. Off by default.",
        ),
    )


def _all(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
