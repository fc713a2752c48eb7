"""Environment variables that look like ours and are not: mistyped, most of the time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rooms_gateway.cli.serve.settings_file import suggestion
from rooms_gateway.cli.serve.sources import PREFIX, Setting

OTHERS = (f"{PREFIX}ACCESS_KEY", f"{PREFIX}ADDRESS", f"{PREFIX}CONFIG_TEST", f"{PREFIX}TOKEN")
"""Variables of ours that not every command with settings has a flag for: the key has none at all,
the address and the token are of the client commands, and the test is of `serve` alone."""

# What Kubernetes gives every container for a Service named rooms-gateway, or rooms-gateway-admin.
_OF_A_SERVICE = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_PORT_OF_A_SERVICE = re.compile(r"(tcp|udp|sctp)://")


def unknown_variables(environment: Mapping[str, str], settings: Iterable[Setting]) -> list[str]:
    """Say of each variable that looks like ours but is not one, which one was perhaps meant.

    Values are not repeated.
    """
    known = {*OTHERS}
    for each in settings:
        known |= {each.envvar} if isinstance(each.envvar, str) else {*(each.envvar or ())}
    return [
        f"{name} is no setting of ours and is ignored{suggestion(name, known)}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in known and not _is_of_a_service(name, value)
    ]


def _is_of_a_service(name: str, value: str) -> bool:
    if name.endswith("_PORT") and _PORT_OF_A_SERVICE.match(value):
        return True
    return _OF_A_SERVICE.fullmatch(name) is not None
