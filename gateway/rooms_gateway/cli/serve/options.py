"""Options of the command line: the rule that gives each its environment variable, and groups."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rooms_gateway.cli.serve.sources import PREFIX, Setting
from rooms_gateway.upstream.credentials import EntraKind
from rooms_gateway.upstream.credentials.flags import EntraFlags

Command = TypeVar("Command", bound=Callable[..., None])


def setting(
    name: str, *, also: str | None = None, field: str | None = None, **attributes: Any
) -> Callable[[Command], Command]:
    """Make an option that ROOMS_GATEWAY_<NAME> and the settings file set too: a rule, not a table.

    `also` is one more environment variable, for those that others have made known; `field` is what
    Settings calls it, where that is not the flag.
    """
    stem = name.partition("/")[0].removeprefix("--")
    variable = PREFIX + stem.replace("-", "_").upper()
    return click.option(
        *([name, field] if field else [name]),
        cls=Setting,
        envvar=[variable, also] if also else [variable],
        show_envvar=True,
        show_default=True,
        **attributes,
    )


def entra_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the flags of Microsoft Entra ID, as one argument: `entra`, an EntraFlags."""

    @setting(
        "--entra",
        field="entra",
        type=click.Choice([kind.value for kind in EntraKind]),
        help="Use Microsoft Entra ID tokens from here. Needs pip install 'rooms-gateway[entra]'.",
    )
    @setting(
        "--entra-client-id", metavar="ID", help="The identity's client id, where it has a choice."
    )
    @setting("--entra-tenant-id", metavar="ID", help="The tenant of the client id.")
    @setting(
        "--entra-client-secret-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file that holds the secret of --entra client-secret; read for each token.",
    )
    @setting(
        "--entra-authority-host",
        metavar="URL",
        help="Where tokens are issued, for clouds other than the public one.",
    )
    @functools.wraps(command)
    def with_flags(
        *arguments: Any,
        entra: str | None,
        entra_client_id: str | None,
        entra_tenant_id: str | None,
        entra_client_secret_file: Path | None,
        entra_authority_host: str | None,
        **others: Any,
    ) -> None:
        flags = EntraFlags(
            kind=entra,
            client_id=entra_client_id,
            tenant_id=entra_tenant_id,
            client_secret_file=entra_client_secret_file,
            authority_host=entra_authority_host,
        )
        command(*arguments, entra=flags, **others)

    return with_flags
