"""The api-versions that the emulator speaks, and what each of them knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.emulator import problems


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
SUPPORTED: Final = ", ".join(VERSIONS)


def pick(query: Mapping[str, str], url: str) -> ApiVersion:
    """Find the api-version that a request asks for.

    Args:
        query: the parameters of the request.
        url: its address without query, for the error.

    Raises:
        ServiceError: the parameter is missing, or names no version that is supported.

    """
    name = query.get("api-version", "")
    if not name:
        raise problems.bad_request(
            "An API version is required, but was not specified.", "ApiVersionUnspecified"
        )
    try:
        return VERSIONS[name]
    except KeyError:
        message = (
            f"The HTTP resource that matches the request URI '{url}' does not support "
            f"the API version '{name}'."
        )
        raise problems.bad_request(message, "UnsupportedApiVersion") from None
