"""Errors of the Rooms service: two families, with their recorded texts.

*Handler errors* have a code and a message. *Validation errors* are found before the operation
starts: they have a fixed code and message, list the invalid members in `details`, and their
responses carry neither `api-supported-versions` nor `x-ms-error-code`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

import msgspec

PAST_END = "The time range end is in the past."
BAD_RANGE = "The time range is incorrect, or larger than 180 days."
BAD_START = "Value is incorrect or more than 180 days in the future."
HALF_RANGE = "validFrom and validUntil should be set together."
ROOM_ID_LENGTH = "Invalid room ID length."
ROOM_ID_DIGITS = "Invalid room ID."
NO_SUCH_ROOM = "The server cannot find the requested resource."
BAD_IDENTIFIER = "Invalid format for communication identifier."
UNSUPPORTED_IDENTIFIER = "Communication identifier {} is not supported."
MALFORMED = "The request could not be understood by the server due to malformed syntax."
BAD_CONTINUATION = "The continuation token is not valid."
BAD_REPEATABILITY = "The value of Repeatability-Request-ID is not a valid UUID."
ROSTER_FULL = "A room can have at most 350 participants."
DENIED = "Denied by the resource provider."
WRONG_HASH = "Request 'x-ms-content-sha256' differs from generated content hash."
WRONG_DATE = (
    "The time difference between the originating client and the server is greater than the "
    "allowed margin of {} minutes."
)

# Python 3.13 changed these phrases; error codes must not depend on the Python version.
_PHRASES = {
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class Detail(msgspec.Struct, frozen=True):
    """One invalid member of a request, and its location."""

    code: str
    message: str
    target: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Content of the error envelope."""

    code: str
    message: str
    details: tuple[Detail, ...] = ()


class Envelope(msgspec.Struct, frozen=True):
    """JSON body of every error response."""

    error: ErrorBody


class ServiceError(Exception):
    """A request that the emulated service rejects."""

    def __init__(
        self, status: int, body: ErrorBody, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body.code, body.message)
        self.status = status
        """HTTP status."""
        self.body = body
        """Content of the error envelope."""
        self.headers = headers or {}
        """Headers of this response in addition to the common ones."""

    @property
    def from_validation(self) -> bool:
        """Whether the error is of the validation family."""
        return bool(self.body.details)


def bad_argument(message: str, target: str) -> Detail:
    """Return one detail of a validation error."""
    return Detail("BadArgument", message, target)


def invalid(details: Iterable[Detail]) -> ServiceError:
    """Return a validation error with `details`."""
    return ServiceError(
        HTTPStatus.BAD_REQUEST, ErrorBody("BadRequest", MALFORMED, details=tuple(details))
    )


def invalid_member(message: str, target: str) -> ServiceError:
    """Return a validation error with one detail."""
    return invalid([bad_argument(message, target)])


def unconvertible(kind: str, target: str) -> ServiceError:
    """Return the validation error for a member with a JSON type other than `kind` ("an object")."""
    return invalid_member(f"The JSON value could not be converted to {kind}.", target)


def bad_request(message: str, code: str = "BadRequest") -> ServiceError:
    """Return a handler error with status 400."""
    return ServiceError(HTTPStatus.BAD_REQUEST, ErrorBody(code, message))


def not_found(message: str = NO_SUCH_ROOM) -> ServiceError:
    """Return the error for a resource that does not exist or was deleted."""
    return ServiceError(HTTPStatus.NOT_FOUND, ErrorBody("NotFound", message))


def denied(message: str = DENIED) -> ServiceError:
    """Return the error for missing or wrong credentials."""
    return ServiceError(HTTPStatus.UNAUTHORIZED, ErrorBody("Denied", message))


def of_status(
    status: int, message: str | None = None, headers: Mapping[str, str] | None = None
) -> ServiceError:
    """Return the error for an HTTP status. Its code is the standard phrase without spaces."""
    try:
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        phrase = f"Status {status}"
    code = "".join(character for character in phrase if character.isalnum())
    return ServiceError(status, ErrorBody(code, message or f"{phrase}."), headers)


def no_operation(allowed: Sequence[str]) -> ServiceError:
    """Return the error for a path without the requested method: 405, or 404 if `allowed` is empty.

    `allowed` are the methods that the path has.
    """
    if not allowed:
        return not_found("There is no resource at this path.")
    return of_status(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(allowed)})
