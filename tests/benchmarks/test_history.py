"""The history checker: accepts consistent histories, and finds every inconsistency."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.faults.history import Change, Done, Findings, check

FINE = Findings((), ())


def change(key: str, room: str = "r", *, acknowledged: bool = True) -> Change:
    return Change(key, room, create=False, acknowledged=acknowledged)


def create(key: str, room: str = "r", *, acknowledged: bool = True) -> Change:
    return Change(key, room, create=True, acknowledged=acknowledged)


def done(*keys: str, room: str = "r") -> list[Done]:
    return [Done(key, room) for key in keys]


@pytest.mark.parametrize(
    ("requested", "effects", "final", "expected"),
    [
        ([create("c")], done("c"), {"r": []}, FINE),
        ([create("c")], [], {}, Findings((), ("c",))),
        ([create("c")], done("c"), {}, Findings((), ("c",))),
        ([create("c")], done("c", room="other"), {"r": []}, Findings((), ("c",))),
        ([create("c")], done("c", "c"), {"r": []}, Findings(("c",), ())),
        ([create("c", "", acknowledged=False)], [], {}, FINE),
        ([create("c", "", acknowledged=False)], done("c"), {"r": []}, FINE),
        ([create("c", "", acknowledged=False)], done("c", "c"), {}, Findings(("c",), ())),
        ([change("a"), change("b")], done("a", "b"), {"r": ["a", "b"]}, FINE),
        ([change("a"), change("b")], done("a", "a", "b"), {"r": ["a", "b"]}, FINE),
        ([change("a"), change("b")], done("b"), {"r": ["b"]}, Findings((), ("a",))),
        ([change("a"), change("b")], done("a", "b"), {"r": ["b"]}, Findings((), ("a",))),
        ([change("a"), change("b")], done("a", "b", "a"), {"r": ["a", "b"]}, Findings(("a",), ())),
        ([change("a", acknowledged=False), change("b")], done("b", "a"), {"r": ["b"]}, FINE),
        ([change("a")], done("a", room="other"), {"r": ["a"]}, Findings((), ("a",))),
        ([change("a")], done("a"), {}, FINE),
    ],
)
def test_each_rule(
    requested: Sequence[Change],
    effects: Sequence[Done],
    final: dict[str, list[str]],
    expected: Findings,
) -> None:
    assert check(requested, effects, final) == expected


def test_reordered_changes_are_found() -> None:
    """Acknowledged in one order, done in another."""
    found = check([change("a"), change("b")], done("b", "a"), {"r": ["a", "b"]})
    assert found.lost or found.duplicated


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Change], list[Done], dict[str, list[str]]]:
    """Draw the history of an upstream that does all acknowledged changes, once and in order."""
    requested: list[Change] = []
    effects: list[Done] = []
    final: dict[str, list[str]] = {}
    for number in range(draw(st.integers(1, 4))):
        room = f"r{number}"
        requested.append(create(f"c{number}", room))
        effects.append(Done(f"c{number}", room))
        final[room] = []
        for step in range(draw(st.integers(0, 4))):
            key = f"{room}.{step}"
            acknowledged = draw(st.booleans())
            requested.append(change(key, room, acknowledged=acknowledged))
            times = draw(st.integers(1 if acknowledged else 0, 2))
            effects += [Done(key, room)] * times
            final[room] += [key] if acknowledged else []
    return requested, effects, final


@given(histories())
def test_a_correct_history_has_no_findings(
    history: tuple[list[Change], list[Done], dict[str, list[str]]],
) -> None:
    assert check(*history) == FINE


@given(histories(), st.data())
def test_a_missing_acknowledged_change_is_lost(
    history: tuple[list[Change], list[Done], dict[str, list[str]]], data: st.DataObject
) -> None:
    requested, effects, final = history
    gone = data.draw(st.sampled_from([each.key for each in requested if each.acknowledged]))
    assert gone in check(requested, [each for each in effects if each.key != gone], final).lost


@given(histories(), st.data())
def test_a_repeated_create_is_a_duplicate(
    history: tuple[list[Change], list[Done], dict[str, list[str]]], data: st.DataObject
) -> None:
    """At whatever time it is repeated."""
    requested, effects, final = history
    again = data.draw(st.sampled_from([each for each in effects if each.key.startswith("c")]))
    index = data.draw(st.integers(0, len(effects)))
    changed = [*effects[:index], Done(again.key, "another"), *effects[index:]]
    assert again.key in check(requested, changed, final).duplicated
