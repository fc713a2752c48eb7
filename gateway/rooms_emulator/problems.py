"""What the service says when it refuses: two families of errors and their texts.

*Handler errors* have a code and a message. *Validation errors*, found before the operation starts,
have a fixed code and message and say what is wrong in ``details``; their answers carry neither
``api-supported-versions`` nor ``x-ms-error-code``.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

PAST_END: Final = "The time range end is in the past."
BAD_RANGE: Final = "The time range is incorrect, or larger than 180 days."
BAD_START: Final = "Value is incorrect or more than 180 days in the future."
HALF_RANGE: Final = "validFrom and validUntil should be set together."
ROOM_ID_LENGTH: Final = "Invalid room ID length."
ROOM_ID_DIGITS: Final = "Invalid room ID."
NO_SUCH_ROOM: Final = "The server cannot find the requested resource."
BAD_IDENTIFIER: Final = "Invalid format for communication identifier."
UNSUPPORTED_IDENTIFIER: Final = "Communication identifier {} is not supported."
MALFORMED: Final = "The request could not be understood by the server due to malformed syntax."
BAD_CONTINUATION: Final = "The continuation token is not valid."
BAD_REPEATABILITY: Final = "The value of Repeatability-Request-ID is not a valid UUID."
ROSTER_FULL: Final = "A room can have at most 350 participants."
DENIED: Final = "Denied by the resource provider."
WRONG_HASH: Final = "Request 'x-ms-content-sha256' differs from generated content hash."
WRONG_DATE: Final = (
    "The time difference between the originating client and the server is greater than the "
    "allowed margin of {} minutes."
)

# Python 3.13 has new phrases for these; a code must not depend on what the emulator runs on.
_PHRASES: Final = {
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class Detail(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request, and where."""

    code: str
    message: str
    target: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inside of the envelope."""

    code: str
    message: str
    details: tuple[Detail, ...] = ()


class Envelope(msgspec.Struct, frozen=True):
    """The body of every error."""

    error: ErrorBody


class ServiceError(Exception):
    """The service refuses a request.

    Attributes:
        status: the HTTP status.
        body: what the envelope holds.
        headers: headers that only this answer has.

    """

    def __init__(
        self, status: int, body: ErrorBody, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body.code, body.message)
        self.status = status
        self.body = body
        self.headers = headers or {}

    @property
    def from_validation(self) -> bool:
        """Whether this is of the validation family."""
        return bool(self.body.details)


def bad_argument(message: str, target: str) -> Detail:
    """One detail of a validation error."""
    return Detail("BadArgument", message, target)


def invalid(details: Iterable[Detail]) -> ServiceError:
    """Build a validation error with these details."""
    return ServiceError(
        HTTPStatus.BAD_REQUEST, ErrorBody("BadRequest", MALFORMED, details=tuple(details))
    )


def bad_request(message: str, code: str = "BadRequest") -> ServiceError:
    """Build a handler error with status 400."""
    return ServiceError(HTTPStatus.BAD_REQUEST, ErrorBody(code, message))


def not_found(message: str = NO_SUCH_ROOM) -> ServiceError:
    """Build the answer for a room that is not, or no longer, there."""
    return ServiceError(HTTPStatus.NOT_FOUND, ErrorBody("NotFound", message))


def denied(message: str = DENIED) -> ServiceError:
    """Build the answer to credentials that are missing or wrong."""
    return ServiceError(HTTPStatus.UNAUTHORIZED, ErrorBody("Denied", message))


def of_status(
    status: int, message: str | None = None, headers: Mapping[str, str] | None = None
) -> ServiceError:
    """Build an error from an HTTP status alone; its code is the standard phrase without spaces."""
    try:
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        phrase = f"Status {status}"
    code = "".join(character for character in phrase if character.isalnum())
    return ServiceError(status, ErrorBody(code, message or f"{phrase}."), headers)


def no_operation(allowed: Sequence[str]) -> ServiceError:
    """Make the error for a path that has only the ``allowed`` methods, or none: 405 or 404."""
    if not allowed:
        return not_found("There is no resource at this path.")
    return of_status(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(allowed)})
