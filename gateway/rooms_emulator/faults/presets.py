"""Presets: common faults by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from rooms_emulator.faults.model import Fault
from rooms_emulator.suggestions import unknown

SECOND_KEY = "cm9vbXMtZ2F0ZXdheSBlbXVsYXRvcjogdGhlIHNlY29uZCBkZXZlbG9wbWVudCBrZXksIG5vIHNlY3JldA=="
"""The access key that replaces the others in `key-rotated`."""

_HTML = {"Content-Type": "text/html"}
_RETRY_SOON = {"Retry-After": "1"}
_FOREIGN_HOST = "attacker.invalid"

# With JSON names, because the members of a preset can be overridden over the control API.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
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
        "throttled": {"status": 429, "headers": _RETRY_SOON},
        "throttle-storm": {"status": 429, "headers": _RETRY_SOON, "count": None},
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
        # The link to the next page.
        "looping-next-link": {"nextLink": "{scheme}://{host}{path}?{query}", "count": None},
        "foreign-next-link": {"nextLink": f"http://{_FOREIGN_HOST}{{path}}?{{query}}"},
        "downgraded-next-link": {"nextLink": "http://{hostname}:80{path}?{query}"},
        "userinfo-next-link": {
            "nextLink": f"{{scheme}}://{{host}}@{_FOREIGN_HOST}{{path}}?{{query}}"
        },
        # Clock and credentials. The first two change the emulator until it is reset.
        "clock-skew": {"clockOffset": 900.0},
        "key-rotated": {"keys": (SECOND_KEY,)},
        "token-refused": {"status": 401},
    }
)
"""Members of each preset, by its name."""


def preset(name: str, /, **changes: Any) -> Fault:
    """Return the fault of a preset, with `changes` to its attributes.

    Raises ValueError if the preset is unknown or a value is invalid, and TypeError if `Fault` has
    no such attribute.
    """
    return msgspec.structs.replace(from_members({"preset": name}), **changes)


def from_members(members: Mapping[str, Any]) -> Fault:
    """Return the fault with these JSON members, one of which may be the name of a `preset`.

    Raises ValueError, with the name of the member, if they are not a fault.
    """
    own = dict(members)
    name = own.pop("preset", None)
    if name is not None:
        own = {"label": name, **_members_of(name), **own}
    return msgspec.convert(own, Fault)


def _members_of(name: object) -> Mapping[str, Any]:
    if not isinstance(name, str):
        raise ValueError("preset must be a string")
    if name not in PRESETS:
        raise ValueError(f"preset: {unknown('preset', name, PRESETS)}")
    return PRESETS[name]
