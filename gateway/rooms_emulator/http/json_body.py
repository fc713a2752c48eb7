"""Strict JSON parser for the bodies of requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rooms_emulator import problems

JsonObject = Mapping[str, Any]


def parse(body: bytes) -> JsonObject:
    """Parse a body that must be one JSON object without duplicate members.

    Raises ServiceError of the validation family if it is not.
    """
    if not body:
        raise problems.invalid_member("A non-empty request body is required.", "")
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_no_constant)
        # The parser accepts unpaired surrogates, which UTF-8 cannot encode in a response.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise problems.invalid_member("The request body is not valid JSON.", "$") from None
    if not isinstance(value, dict):
        raise problems.unconvertible("an object", "$")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
