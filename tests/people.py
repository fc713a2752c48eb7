"""Identifiers of people for tests."""

from __future__ import annotations


def raw_id(number: int) -> str:
    """Return the raw id of a communication user, one for each number."""
    return f"8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-{number:012x}"
