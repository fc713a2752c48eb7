"""W3C Trace Context: valid contexts are propagated, malformed ones are ignored."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.telemetry.trace_context import MAX_TRACESTATE, read_context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"

HEX = "0123456789abcdef"
identifiers = {
    digits: st.text(HEX, min_size=digits, max_size=digits).filter(lambda t: bool(t.strip("0")))
    for digits in (16, 32)
}
flags = st.text(HEX, min_size=2, max_size=2)
keys = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
values = st.text("".join(set(string.printable[:95]) - {",", "="}), min_size=1, max_size=20).filter(
    lambda value: not value.endswith(" ")
)


def propagated(*metadata: tuple[str, str | bytes]) -> dict[str, str]:
    """Return the headers for the upstream, from the metadata of a call."""
    context = read_context(metadata)
    return {} if context is None else context.headers()


@given(identifiers[32], identifiers[16], flags)
def test_valid_traceparent_is_propagated(trace: str, span: str, flag: str) -> None:
    """Only the flags that are known keep their value."""
    known = int(flag, 16) & 3
    assert propagated(("traceparent", f"00-{trace}-{span}-{flag}")) == {
        "traceparent": f"00-{trace}-{span}-{known:02x}"
    }


@given(st.dictionaries(keys, values, min_size=1, max_size=8))
def test_valid_tracestate_is_propagated_unchanged(members: dict[str, str]) -> None:
    state = ",".join(f"{key}={value}" for key, value in members.items())
    assert propagated(("traceparent", GOOD), ("tracestate", state)).get("tracestate") == state


@pytest.mark.proves("S6")
@given(st.text(st.characters(max_codepoint=0x2FF), max_size=80))
def test_malformed_traceparent_is_ignored(text: str) -> None:
    assert propagated(("traceparent", text), ("tracestate", "a=b")) == {}


@given(st.integers(0, len(GOOD) - 1), st.characters(max_codepoint=0x2FF))
def test_propagated_traceparent_is_valid(index: int, character: str) -> None:
    damaged = GOOD[:index] + character + GOOD[index + 1 :]
    for value in propagated(("traceparent", damaged)).values():
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", value)


@given(st.lists(st.text(st.characters(max_codepoint=0x17F), max_size=40), max_size=4))
def test_tracestate_cannot_inject_a_header(states: list[str]) -> None:
    headers = propagated(("traceparent", GOOD), *(("tracestate", state) for state in states))
    state = headers.get("tracestate", "")
    assert state.isascii()
    assert not state or state.isprintable()


@pytest.mark.parametrize(
    "value",
    {
        "empty": "",
        "upper case": GOOD.upper(),
        "no trace": f"00-{'0' * 32}-{SPAN}-01",
        "no span": f"00-{TRACE}-{'0' * 16}-01",
        "no version": f"ff-{TRACE}-{SPAN}-01",
        "more fields than version 00": f"{GOOD}-more",
        "a line end": f"{GOOD}\n",
        "another header": f"{GOOD}\r\nx-injected: 1",
        "20 KB": GOOD + "-" + "a" * 20_000,
        "20 KB of a later version": "cc" + GOOD[2:] + "-" + "a" * 20_000,
        "bytes": GOOD.encode(),
        "digits of another script": GOOD.replace("4bf92f", "٤bf92f"),
    }.items(),
    ids=lambda item: item[0],
)
def test_hostile_traceparent_is_ignored(
    value: tuple[str, str | bytes],
) -> None:
    """A tracestate without a valid traceparent is ignored, too."""
    assert propagated(("traceparent", value[1]), ("tracestate", "a=b")) == {}


def test_two_traceparents_are_ignored() -> None:
    assert propagated(("traceparent", GOOD), ("traceparent", GOOD)) == {}


def test_later_version_is_read_as_version_00() -> None:
    assert propagated(("traceparent", f"cc-{TRACE}-{SPAN}-ff-more")) == {
        "traceparent": f"00-{TRACE}-{SPAN}-03"
    }


@pytest.mark.parametrize(
    ("states", "joined"),
    [
        (["a=1", "b=2"], "a=1,b=2"),
        ([" a=1 ,\tb=2,,"], "a=1,b=2"),
        (["a=1,a=2"], ""),
        (["a=1", "B=2"], ""),
        (["a"], ""),
        (["a=1\r\nx-injected: 1"], ""),
        (["a=" + "1" * (MAX_TRACESTATE - 2)], ""),
        (["a=" + "1" * 256 + ",b=" + "2" * (MAX_TRACESTATE - 256 - 5)], None),
        (["a=" + "1" * 256 + ",b=" + "2" * (MAX_TRACESTATE - 256 - 4)], ""),
        (["a=1" * 7000], ""),
        ([",".join(f"k{n}=1" for n in range(33))], ""),
        ([b"a=1"], ""),
    ],
)
def test_tracestates_are_joined_or_dropped(states: list[str | bytes], joined: str | None) -> None:
    """The traceparent is propagated in either case."""
    headers = propagated(("traceparent", GOOD), *(("tracestate", state) for state in states))
    assert headers["traceparent"] == GOOD
    assert headers.get("tracestate", "") == (states[0] if joined is None else joined)
