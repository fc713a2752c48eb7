"""The api-versions of the Rooms REST API that the emulator supports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from rooms_emulator.http import api_versions


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One api-version of the Rooms REST API."""

    name: str
    """Name in requests, such as `2025-03-13`."""
    has_pstn_dial_out: bool
    """Whether rooms have `pstnDialOutEnabled`."""


# The versions that production listed in March 2025. It accepts every role under each of them.
VERSIONS = {
    version.name: version
    for version in (
        ApiVersion("2023-06-14", has_pstn_dial_out=False),
        ApiVersion("2023-10-30-preview", has_pstn_dial_out=True),
        ApiVersion("2024-04-15", has_pstn_dial_out=True),
        ApiVersion("2025-03-13", has_pstn_dial_out=True),
    )
}
# The preview; off by default, because production no longer lists it.
LEGACY = ApiVersion("2022-02-01", has_pstn_dial_out=False)
SUPPORTED = ", ".join(VERSIONS)
"""Value of `api-supported-versions`."""


def is_legacy(query: str) -> bool:
    """Return whether a query string, not decoded, asks for the preview's api-version."""
    return dict(parse_qsl(query)).get("api-version") == LEGACY.name


def select(query: Mapping[str, str], url: str, *, legacy: bool = False) -> ApiVersion:
    """Return the api-version that a query asks for; `legacy` allows the preview's too.

    `url` is the address of the request without its query, for the error text. Raises ServiceError
    if the parameter is missing or names an unsupported version.
    """
    if legacy and query.get("api-version") == LEGACY.name:
        return LEGACY
    return api_versions.select(VERSIONS, query, url)
