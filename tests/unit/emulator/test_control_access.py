"""Hosts that a request to the control API may name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator.control_access import ControlAccess

ACCESS = ControlAccess(own_hosts=frozenset({"rooms.test"}))
LABELS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,20}[A-Za-z0-9_])?", fullmatch=True)
PORTS = st.just("") | st.integers(0, 65535).map(":{}".format)


@pytest.mark.proves("S96")
@given(st.lists(LABELS, min_size=2, max_size=5), PORTS, st.sampled_from(["", "."]))
def test_a_name_with_a_dot_is_rejected(labels: list[str], port: str, dot: str) -> None:
    """All names that a web page can point elsewhere have one; the last label is no number."""
    name = ".".join([*labels, "example"])
    assert not ACCESS.accepts_host(f"{name}{dot}{port}")


@given(st.ip_addresses() | LABELS | st.just("Rooms.TEST"), PORTS)
def test_other_hosts_are_accepted(host: IPv4Address | IPv6Address | str, port: str) -> None:
    """IP addresses, names without a dot, and those of the emulator."""
    text = f"[{host}]" if isinstance(host, IPv6Address) else str(host)
    assert ACCESS.accepts_host(text + port)


@given(st.text())
def test_any_text_is_decided(authority: str) -> None:
    assert ACCESS.accepts_host(authority) in {True, False}
