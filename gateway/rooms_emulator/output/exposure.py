"""The warning about an emulator that other hosts can reach."""

from __future__ import annotations

from collections.abc import Iterable

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.http.addresses import is_loopback, split_host_port
from rooms_emulator.server import Emulator


def exposure(addresses: Iterable[str], emulator: Emulator) -> str | None:
    """Return a warning about an emulator that other hosts can reach; None if none can.

    `addresses` are those that it listens on, `host:port`.
    """
    exposed = [each for each in addresses if not is_loopback(split_host_port(each)[0])]
    if not exposed:
        return None
    public = DEVELOPMENT_KEY in emulator.authenticator.keys
    key = "its access key, which is public," if public else "its access key"
    control = "has the control key" if emulator.control_access.allow_remote else "is on this host"
    return (
        f"WARNING: other hosts can reach this emulator, on {' and '.join(exposed)}. It is for "
        f"development and tests, without real data: every client that has {key} can read and "
        f"change all rooms and users, and every client that {control} can control the emulator."
    )
