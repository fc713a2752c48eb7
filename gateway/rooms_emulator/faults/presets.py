"""Faults by name: the table of what usually goes wrong, ready to be ordered."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from rooms_emulator.faults.model import Fault

SECOND_KEY: Final = (
    "cm9vbXMtZ2F0ZXdheSBlbXVsYXRvcjogdGhlIHNlY29uZCBkZXZlbG9wbWVudCBrZXksIG5vIHNlY3JldA=="
)
"""The access key that ``key-rotated`` puts in the place of the others."""

_HTML: Final = {"Content-Type": "text/html"}
_SOON: Final = {"Retry-After": "1"}
_ELSEWHERE: Final = "attacker.invalid"

# By the names of JSON, as whoever orders a preset may put others in the place of its members.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # The connection.
        "refused": {"refuse": 1.0},
        "reset": {"drop": "before", "reset": True},
        "reset-after-effect": {"drop": "after", "reset": True},
        "closed-before-reply": {"drop": "before"},
        "closed-after-effect": {"drop": "after"},
        "truncated": {"truncate": 10},
        # Time.
        "late": {"latency": 2.0},
        "jittery": {"latency": 0.02, "jitter": 0.2, "count": None},
        "slow-drip": {"drip": 20.0},
        "hanging": {"latency": 3600.0, "drop": "before"},
        # Statuses.
        "throttled": {"status": 429, "headers": _SOON},
        "throttle-storm": {"status": 429, "headers": _SOON, "count": None},
        "unavailable": {"status": 503},
        "outage": {"status": 503, "count": None},
        "mixed-5xx": {"status": (500, 502, 503, 504), "probability": 0.2, "count": None},
        "proxy-error": {"status": 502, "headers": _HTML, "body": "<html>Bad Gateway</html>"},
        # Bodies.
        "wrong-content-type": {"headers": _HTML},
        "invalid-json": {"body": '{"id": '},
        "invalid-utf8": {"bodyBytes": "eyJpZCI6ICL//iJ9"},
        "unknown-role": {"role": "Stagehand"},
        "huge-body": {"pad": 10_000_000},
        "gzip-bomb": {"pad": 100_000_000, "gzip": True},
        # Links to the next page.
        "looping-next-link": {"nextLink": "http://{host}{path}?{query}", "count": None},
        "foreign-next-link": {"nextLink": f"http://{_ELSEWHERE}{{path}}?{{query}}"},
        "downgraded-next-link": {"nextLink": "http://{hostname}:80{path}?{query}"},
        "userinfo-next-link": {"nextLink": f"http://{{host}}@{_ELSEWHERE}{{path}}?{{query}}"},
        # Credentials and time; the first two last until the next one, or a reset.
        "clock-skew": {"clockOffset": 900.0},
        "key-rotated": {"keys": (SECOND_KEY,)},
        "token-refused": {"status": 401},
    }
)


def preset(name: str, /, **changes: Any) -> Fault:
    """Make the fault of this name.

    Args:
        name: a key of ``PRESETS``.
        changes: attributes of ``Fault`` to put in the place of the preset's.

    Raises:
        ValueError: there is no such preset, or the fault makes no sense.
        TypeError: ``Fault`` has no such attribute.

    """
    made = from_members({"preset": name})
    return msgspec.structs.replace(made, **changes)


def from_members(members: Mapping[str, Any]) -> Fault:
    """Make a fault of its members in JSON, which may include the name of a ``preset``.

    Raises:
        ValueError: that is no fault; the text names the member.

    """
    given = dict(members)
    name = given.pop("preset", None)
    if name is not None:
        given = {"label": name, **_members_of(name), **given}
    return msgspec.convert(given, Fault)


def _members_of(name: object) -> Mapping[str, Any]:
    if not isinstance(name, str):
        raise ValueError("preset must be a string")  # noqa: TRY004 - for whoever wrote the JSON
    if name not in PRESETS:
        close = difflib.get_close_matches(name[:100], PRESETS, n=1)
        hint = f"did you mean {close[0]}? There" if close else "there"
        raise ValueError(f"preset: there is no {name[:100]!r}; {hint} are {', '.join(PRESETS)}")
    return PRESETS[name]
