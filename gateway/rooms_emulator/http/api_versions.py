"""Selection of the api-version that a request asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from rooms_emulator import problems

Version = TypeVar("Version")


def select(supported: Mapping[str, Version], query: Mapping[str, str], url: str) -> Version:
    """Return the api-version that the query names, from those that an API supports, by name.

    `url` is the address of the request without its query, for the error text. Raises ServiceError
    if the parameter is missing or names an unsupported version.
    """
    name = query.get("api-version", "")
    if not name:
        raise problems.bad_request(
            "An API version is required, but was not specified.", "ApiVersionUnspecified"
        )
    try:
        return supported[name]
    except KeyError:
        message = (
            f"The HTTP resource that matches the request URI '{url}' does not support "
            f"the API version '{name}'."
        )
        raise problems.bad_request(message, "UnsupportedApiVersion") from None
