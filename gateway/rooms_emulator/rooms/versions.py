"""The api-versions that the emulator speaks, and what each of them knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from rooms_emulator import problems

Version = TypeVar("Version")


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One api-version.

    Attributes:
        name: as on the wire.
        has_pstn_dial_out: whether rooms have ``pstnDialOutEnabled``.

    """

    name: str
    has_pstn_dial_out: bool


# What production listed in March 2025. Roles are not here: the service accepts each of them under
# every version.
VERSIONS: Final = {
    version.name: version
    for version in (
        ApiVersion("2023-06-14", has_pstn_dial_out=False),
        ApiVersion("2023-10-30-preview", has_pstn_dial_out=True),
        ApiVersion("2024-04-15", has_pstn_dial_out=True),
        ApiVersion("2025-03-13", has_pstn_dial_out=True),
    )
}
# The preview's. Production does not list it any more, so an emulator has to be told to speak it.
LEGACY: Final = ApiVersion("2022-02-01", has_pstn_dial_out=False)
SUPPORTED: Final = ", ".join(VERSIONS)


def is_legacy(query: str) -> bool:
    """Whether a query, as on the request line, asks for the preview's api-version."""
    return dict(parse_qsl(query)).get("api-version") == LEGACY.name


def pick(query: Mapping[str, str], url: str, *, legacy: bool = False) -> ApiVersion:
    """Find the api-version that a request asks for.

    Args:
        query: the parameters of the request.
        url: its address without query, for the error.
        legacy: whether the preview's is spoken.

    Raises:
        ServiceError: the parameter is missing, or names no version that is supported.

    """
    if legacy and query.get("api-version") == LEGACY.name:
        return LEGACY
    return choose(VERSIONS, query, url)


def choose(known: Mapping[str, Version], query: Mapping[str, str], url: str) -> Version:
    """Find the api-version that a request asks for among those that an API knows, by name.

    Raises:
        ServiceError: the parameter is missing, or names no version that is known.

    """
    name = query.get("api-version", "")
    if not name:
        raise problems.bad_request(
            "An API version is required, but was not specified.", "ApiVersionUnspecified"
        )
    try:
        return known[name]
    except KeyError:
        message = (
            f"The HTTP resource that matches the request URI '{url}' does not support "
            f"the API version '{name}'."
        )
        raise problems.bad_request(message, "UnsupportedApiVersion") from None
