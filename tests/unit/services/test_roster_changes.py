from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.services.convert.participants import roles_of
from rooms_gateway.services.convert.roster_changes import (
    compare,
    fingerprint,
    roles_by_raw_id,
)
from rooms_gateway.upstream.models import ParticipantProperties

ROSTERS = st.dictionaries(
    st.sampled_from([f"8:acs:r_{name}" for name in "abcdefgh"]),
    st.sampled_from(["Presenter", "Attendee", "Consumer", "Future"]),
)


@given(ROSTERS, ROSTERS)
def test_changes_lead_from_one_roster_to_the_other(
    present: dict[str, str], wanted: dict[str, str]
) -> None:
    """The PATCH, applied as the Rooms service does, and without an entry that changes nothing."""
    changes = compare(present, wanted)
    after = dict(present)
    for raw_id, properties in changes.to_rest().items():
        if properties is None:
            del after[raw_id]
        else:
            assert properties.role is not None
            assert after.get(raw_id) != properties.role
            after[raw_id] = properties.role
    assert after == wanted


@given(ROSTERS, ROSTERS)
def test_each_participant_is_in_one_list(present: dict[str, str], wanted: dict[str, str]) -> None:
    changes = compare(present, wanted)
    added, changed, removed = (
        roles_by_raw_id(each) for each in (changes.added, changes.changed, changes.removed)
    )
    assert added == {raw_id: wanted[raw_id] for raw_id in wanted.keys() - present.keys()}
    assert removed == {raw_id: present[raw_id] for raw_id in present.keys() - wanted.keys()}
    assert changed == {
        raw_id: wanted[raw_id]
        for raw_id in wanted.keys() & present.keys()
        if wanted[raw_id] != present[raw_id]
    }
    assert len(added) + len(changed) + changes.unchanged_count == len(wanted)


@given(ROSTERS, ROSTERS)
def test_redacted_changes_number_the_request(
    present: dict[str, str], wanted: dict[str, str]
) -> None:
    """The placeholders are those of the REST request, and no raw id is left."""
    changes = compare(present, wanted)
    redacted = changes.redacted()
    assert list(redacted.to_rest()) == [
        f"<redacted {number}>" for number in range(1, len(changes.to_rest()) + 1)
    ]
    assert list(redacted.to_rest().values()) == list(changes.to_rest().values())
    assert redacted.unchanged_count == changes.unchanged_count


@given(ROSTERS, ROSTERS)
def test_fingerprints_are_equal_for_equal_rosters(
    first: dict[str, str], second: dict[str, str]
) -> None:
    """In any order of the participants."""
    reversed_roster = dict(reversed(first.items()))
    assert fingerprint(first, "a", "7") == fingerprint(reversed_roster, "a", "7")
    assert (fingerprint(first, "a", "7") == fingerprint(second, "a", "7")) == (first == second)
    assert fingerprint(first, "a", "7") != fingerprint(first, "a", "8")
    assert fingerprint(first, "a", "7") != fingerprint(first, "b", "7")


def test_fingerprints_keep_texts_apart() -> None:
    assert fingerprint({"a": "bc"}, "a", "7") != fingerprint({"ab": "c"}, "a", "7")
    assert fingerprint({"a": "b"}, "a", "7") != fingerprint({"": "b"}, "a", "7a")


def test_participants_without_a_role_are_attendees() -> None:
    """Those to remove are left out."""
    roster = {"a": ParticipantProperties(), "b": ParticipantProperties("Presenter"), "c": None}
    assert roles_of(roster) == {"a": "Attendee", "b": "Presenter"}
