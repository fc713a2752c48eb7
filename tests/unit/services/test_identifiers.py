from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from acs.rooms.v1 import identifiers_pb2
from azure.communication.rooms import (
    CommunicationIdentifier,
    CommunicationUserIdentifier,
    MicrosoftTeamsAppIdentifier,
    MicrosoftTeamsUserIdentifier,
    PhoneNumberIdentifier,
    UnknownIdentifier,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import communication_user, phone_number, teams_app, teams_user, unknown
from support.sdk_identifiers import (
    TEAMS_EXTENSION_USER,
    Parsed,
    by_python,
    needs_node,
    node_parser,
)

from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.server.calls.validation import validate
from rooms_gateway.services.convert.identifiers import (
    MAX_LENGTH,
    from_raw_id,
    requested_raw_id,
    to_raw_id,
)

GUID = "45ab2481-1c1c-4005-be24-0ffb879b1130"
PAIR = f"b60f5cc1-83a7-485a-a45c-7288de014884_{GUID}"
TRIPLE = f"{GUID}_{PAIR}"

AGREED: dict[str, identifiers_pb2.CommunicationIdentifier] = {
    **{
        f"8:{prefix}:{rest}": communication_user(f"8:{prefix}:{rest}")
        for prefix in ("acs", "spool", "dod-acs", "gcch-acs")
        for rest in (PAIR, "123456c", "", "_", "a_b_c_d")
    },
    f"8:spool:{TRIPLE}": communication_user(f"8:spool:{TRIPLE}"),
    "4:+14255550123": phone_number("+14255550123"),
    "4:14255550123": phone_number("14255550123"),
    "4:+1425_suffix_2": phone_number("+1425_suffix_2"),
    "4:anonymous": phone_number("anonymous"),
    "4:8:acs:x": phone_number("8:acs:x"),
    "4: ": phone_number(" "),
    f"8:orgid:{GUID}": teams_user(GUID, "public"),
    f"8:dod:{GUID}": teams_user(GUID, "dod"),
    f"8:gcch:{GUID}": teams_user(GUID, "gcch"),
    f"8:teamsvisitor:{GUID}": teams_user(GUID, "", is_anonymous=True),
    "8:orgid:a_b_c": teams_user("a_b_c", "public"),
    f"28:orgid:{GUID}": teams_app(GUID, "public"),
    f"28:dod:{GUID}": teams_app(GUID, "dod"),
    f"28:gcch:{GUID}": teams_app(GUID, "gcch"),
    **{
        raw_id: unknown(raw_id)
        for raw_id in (
            f"28:{GUID}", f"28:dod-global:{GUID}", f"28:gcch-global:{GUID}", "28:",
            f"8:{GUID}", "8:acs", "8:", "8", ":", "::", ":8:acs:", f"8:ACS:{PAIR}",
            f" 8:acs:{PAIR}", f"8:other:{GUID}", f"48:orgid:{GUID}", "4", "bad_mri", "é", "\0", "",
        )
    },
}  # fmt: skip

_USER = "communication_user"
_TEAMS_USER = "microsoft_teams_user"
_TEAMS_APP = "microsoft_teams_app"

# Kinds by the Python and the JavaScript parser; the contract uses `unknown`.
DISPUTED: dict[str, tuple[str, str]] = {
    # JavaScript parses three parts as a Teams extension user, a kind that Python lacks.
    f"8:acs:{TRIPLE}": (_USER, TEAMS_EXTENSION_USER),
    f"8:dod-acs:{TRIPLE}": (_USER, TEAMS_EXTENSION_USER),
    f"8:gcch-acs:{TRIPLE}": (_USER, TEAMS_EXTENSION_USER),
    "8:acs:__": (_USER, TEAMS_EXTENSION_USER),
    # JavaScript requires exactly two colons, Python splits at the first two.
    f"8:acs:{PAIR}:": (_USER, "unknown"),
    f"8:acs::{PAIR}": (_USER, "unknown"),
    f"8:spool:{PAIR}:x": (_USER, "unknown"),
    "8:orgid:a:b": (_TEAMS_USER, "unknown"),
    "8:dod:a:b": (_TEAMS_USER, "unknown"),
    "8:gcch:a:b": (_TEAMS_USER, "unknown"),
    "8:teamsvisitor:a:b": (_TEAMS_USER, "unknown"),
    "28:orgid:a:b": (_TEAMS_APP, "unknown"),
    "28:dod:a:b": (_TEAMS_APP, "unknown"),
    "28:gcch:a:b": (_TEAMS_APP, "unknown"),
}

# Both parsers return a kind with an empty id, which the contract does not allow.
EMPTY: dict[str, str] = {
    "4:": "phone_number",
    "8:orgid:": _TEAMS_USER,
    "8:dod:": _TEAMS_USER,
    "8:gcch:": _TEAMS_USER,
    "8:teamsvisitor:": _TEAMS_USER,
    "28:orgid:": _TEAMS_APP,
    "28:dod:": _TEAMS_APP,
    "28:gcch:": _TEAMS_APP,
}

TABLE = [*AGREED, *DISPUTED, *EMPTY]
PREFIXES = ["", *sorted({raw_id[: raw_id.rfind(":") + 1] for raw_id in TABLE})]
RAW_IDS = st.builds(
    str.__add__, st.sampled_from(PREFIXES), st.text() | st.text("a:_+8", max_size=12)
)
SOME_ID = st.text(min_size=1, max_size=300) | st.text(":_a", min_size=1, max_size=8)


NodeParser = Callable[[Sequence[str]], list[tuple[Parsed, str]]]


@pytest.fixture(scope="module")
def by_node() -> Iterator[NodeParser]:
    with node_parser() as parse:
        yield parse


def kind_of(parsed: Parsed) -> str:
    return parsed if isinstance(parsed, str) else parsed.WhichOneof("kind") or ""


def expected(raw_id: str, *parsed: Parsed) -> identifiers_pb2.CommunicationIdentifier:
    """Return the identifier of the contract for the results of the parsers."""
    first = parsed[0]
    if isinstance(first, str) or any(other != first for other in parsed) or raw_id in EMPTY:
        return unknown(raw_id)
    return first


@st.composite
def typed(draw: st.DrawFn) -> identifiers_pb2.CommunicationIdentifier:
    """Draw an identifier of any kind and cloud; some violate the validation rules."""
    some_id, cloud = (
        draw(SOME_ID),
        draw(st.sampled_from(identifiers_pb2.CommunicationCloud.values())),
    )
    prefix = draw(st.sampled_from(["8:acs:", "8:spool:", "8:dod-acs:", "8:gcch-acs:"]))
    user = identifiers_pb2.MicrosoftTeamsUser(
        user_id=some_id, cloud=cloud, is_anonymous=draw(st.booleans())
    )
    app = identifiers_pb2.MicrosoftTeamsApp(app_id=some_id, cloud=cloud)
    return draw(
        st.sampled_from(
            [
                communication_user(prefix + some_id),
                phone_number(some_id),
                identifiers_pb2.CommunicationIdentifier(microsoft_teams_user=user),
                identifiers_pb2.CommunicationIdentifier(microsoft_teams_app=app),
                unknown(some_id),
            ]
        )
    )


@pytest.mark.proves("identifier-from-raw-id")
@pytest.mark.parametrize("raw_id", AGREED)
def test_raw_ids_become_identifiers(raw_id: str) -> None:
    assert from_raw_id(raw_id) == AGREED[raw_id]


@pytest.mark.parametrize("raw_id", [*DISPUTED, *EMPTY])
def test_disputed_and_empty_raw_ids_are_unknown(raw_id: str) -> None:
    assert from_raw_id(raw_id) == unknown(raw_id)


@pytest.mark.proves("identifier-python-parser")
@pytest.mark.parametrize("raw_id", TABLE)
def test_the_table_matches_the_python_parser(raw_id: str) -> None:
    parsed = by_python(raw_id)
    if raw_id in AGREED:
        assert parsed == AGREED[raw_id]
    else:
        assert kind_of(parsed) == (EMPTY.get(raw_id) or DISPUTED[raw_id][0])


@pytest.mark.proves("identifier-javascript-parser")
@needs_node
def test_the_table_matches_the_javascript_parser(by_node: NodeParser) -> None:
    for raw_id, (parsed, _) in zip(TABLE, by_node(TABLE), strict=True):
        if raw_id in AGREED:
            assert parsed == AGREED[raw_id], raw_id
        else:
            assert kind_of(parsed) == (EMPTY.get(raw_id) or DISPUTED[raw_id][1]), raw_id


@needs_node
@settings(deadline=None)
@given(st.lists(RAW_IDS, min_size=1, max_size=100))
def test_kinds_match_both_parsers_or_are_unknown(by_node: NodeParser, raw_ids: list[str]) -> None:
    for raw_id, (by_javascript, written) in zip(raw_ids, by_node(raw_ids), strict=True):
        assert from_raw_id(raw_id) == expected(raw_id, by_python(raw_id), by_javascript)
        assert written == raw_id


@settings(max_examples=200)
@given(RAW_IDS)
def test_kinds_match_python_or_are_unknown(raw_id: str) -> None:
    identifier = from_raw_id(raw_id)
    assert identifier in (by_python(raw_id), unknown(raw_id))


@settings(max_examples=200)
@given(RAW_IDS)
def test_raw_ids_round_trip(raw_id: str) -> None:
    assert to_raw_id(from_raw_id(raw_id)) == raw_id


@settings(max_examples=200)
@given(RAW_IDS.filter(lambda raw_id: 0 < len(raw_id) <= MAX_LENGTH))
def test_returned_identifiers_can_be_sent_back(raw_id: str) -> None:
    identifier = from_raw_id(raw_id)
    validate(identifier)
    assert requested_raw_id(identifier, "identifier") == raw_id


@settings(max_examples=200)
@given(typed())
def test_accepted_identifiers_round_trip(
    identifier: identifiers_pb2.CommunicationIdentifier,
) -> None:
    try:
        validate(identifier)
        raw_id = requested_raw_id(identifier, "identifier")
    except InvalidRequestError:
        return
    returned = from_raw_id(raw_id)
    user, app = identifier.microsoft_teams_user, identifier.microsoft_teams_app
    if identifier.HasField("microsoft_teams_user"):
        # The cloud has a default, and is meaningless for anonymous users.
        user.cloud = (
            identifiers_pb2.COMMUNICATION_CLOUD_UNSPECIFIED
            if user.is_anonymous
            else user.cloud or identifiers_pb2.COMMUNICATION_CLOUD_PUBLIC
        )
    if identifier.HasField("microsoft_teams_app"):
        app.cloud = app.cloud or identifiers_pb2.COMMUNICATION_CLOUD_PUBLIC
    assert returned == identifier or identifier == unknown(raw_id)


@pytest.mark.proves("identifier-to-raw-id")
@pytest.mark.parametrize(
    ("identifier", "theirs"),
    [
        (communication_user(f"8:acs:{PAIR}"), CommunicationUserIdentifier(f"8:acs:{PAIR}")),
        (phone_number("+14255550123"), PhoneNumberIdentifier("+14255550123")),
        (teams_user(GUID, ""), MicrosoftTeamsUserIdentifier(GUID)),
        *(
            (teams_user(GUID, cloud), MicrosoftTeamsUserIdentifier(GUID, cloud=cloud.upper()))
            for cloud in ("public", "dod", "gcch")
        ),
        (
            teams_user(GUID, "", is_anonymous=True),
            MicrosoftTeamsUserIdentifier(GUID, is_anonymous=True),
        ),
        (teams_app(GUID, ""), MicrosoftTeamsAppIdentifier(GUID)),
        *(
            (teams_app(GUID, cloud), MicrosoftTeamsAppIdentifier(GUID, cloud=cloud.upper()))
            for cloud in ("public", "dod", "gcch")
        ),
        (unknown(f"28:{GUID}"), UnknownIdentifier(f"28:{GUID}")),
    ],
)
def test_identifiers_become_raw_ids_like_the_sdk(
    identifier: identifiers_pb2.CommunicationIdentifier, theirs: CommunicationIdentifier
) -> None:
    """As Microsoft's Python client writes them."""
    assert to_raw_id(identifier) == theirs.raw_id
