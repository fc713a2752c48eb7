"""The exception for invalid settings."""

from __future__ import annotations


class SettingsError(Exception):
    """Settings that the gateway cannot start with."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        """One sentence per error; all errors, not only the first."""
