"""The choice of a resource, whatever callers send and operators configure."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.errors import (
    PermissionDeniedError,
    ResourceUnknownError,
    UpstreamUnavailableError,
)
from rooms_gateway.server.auth.policy import Caller
from rooms_gateway.server.calls.resources import Resource, ResourceTable

NAMES = st.sampled_from(["eu", "us", "asia"])
SENT = st.lists(NAMES | st.text(max_size=3) | st.binary(max_size=3), max_size=2).map(tuple)
CALLERS = st.none() | st.builds(
    Caller,
    name=st.just("caller"),
    allowed=st.just(frozenset()),
    resources=st.none() | st.frozensets(NAMES, min_size=1),
    default_resource=st.none() | NAMES,
)


def table_of(names: set[str], default: str | None) -> ResourceTable:
    table = ResourceTable()
    closed = UpstreamUnavailableError("closed")
    table.by_name = {name: Resource(name, closed) for name in names}
    table.default = default
    return table


@pytest.mark.proves("S90")
@given(st.sets(NAMES), st.none() | NAMES, SENT, CALLERS)
def test_no_call_gets_a_resource_it_may_not_use(
    names: set[str], default: str | None, sent: tuple[str | bytes, ...], caller: Caller | None
) -> None:
    """Nor another one than it names; every other call is rejected."""
    with suppress(ResourceUnknownError, PermissionDeniedError):
        chosen = table_of(names, default).choose(sent, caller)
        assert chosen.name in names
        if sent:
            assert sent == (chosen.name,)
        if caller is not None and caller.resources is not None:
            assert chosen.name in caller.resources


@given(st.sets(NAMES, min_size=1), SENT, CALLERS)
def test_errors_repeat_only_names(
    names: set[str], sent: tuple[str | bytes, ...], caller: Caller | None
) -> None:
    """Any other text of a caller could be anything, such as a token."""
    try:
        table_of(names, None).choose(sent, caller)
    except (ResourceUnknownError, PermissionDeniedError) as error:
        text = str(error)
    else:
        return
    assert text.isascii()
    assert text.isprintable()


def test_each_call_gets_a_new_error() -> None:
    """An error collects the tracebacks of the calls that raise it."""
    resource = Resource("eu", UpstreamUnavailableError("closed"))
    seen = []
    for _ in range(2):
        with pytest.raises(UpstreamUnavailableError, match="closed") as raised:
            resource.begin()
        seen.append(raised.value)
    assert seen[0] is not seen[1]
    assert resource.running == 0
