"""What the identity service says when it refuses: a code, a message, and the member to blame.

Other than those of Rooms, its validation errors have a ``target`` in the place of ``details``, and
no error of its has an ``x-ms-error-code``.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from rooms_emulator import problems
from rooms_emulator.problems import ErrorBody, ServiceError

LEAST_MINUTES: Final = 60
MOST_MINUTES: Final = 1440

_NO_SUCH_IDENTITY: Final = "The identity does not exist, or no longer."
_BAD_IDENTITY: Final = "The identity is not of the form 8:acs:<guid>_<guid>."


class TargetedError(ErrorBody, frozen=True, omit_defaults=True):
    """The inside of the envelope, with the member that is to blame."""

    target: str = ""


class UnreadError(ServiceError):
    """A request that its model refuses: nothing has looked at its api-version yet."""

    @property
    def from_validation(self) -> bool:
        """Whether this was found before the operation started: always."""
        return True


def missing(member: str) -> ServiceError:
    """Build the answer to a request without a member that it needs."""
    message = f"{member}: The {member} field is required."
    return UnreadError(HTTPStatus.BAD_REQUEST, _validation(message, member))


def bad_minutes(minutes: int) -> ServiceError:
    """Build the answer to a life of a token that is too short or too long."""
    span = f"[{LEAST_MINUTES}, {MOST_MINUTES}]"
    message = (
        f"ExpiresInMinutes value {minutes} is invalid. Value must be within the {span} interval."
    )
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(message, "ExpiresInMinutes"))


def bad_scope(scope: str, member: str, known: Iterable[str]) -> ServiceError:
    """Build the answer to a scope that the api-version does not know."""
    message = f"{member}: The scope '{scope}' is not one of {', '.join(known)}."
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(message, member))


def bad_identity() -> ServiceError:
    """Build the answer to an id that no identity can have."""
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(_BAD_IDENTITY, "id"))


def no_such_identity() -> ServiceError:
    """Build the answer for an identity that is not, or no longer, there."""
    return problems.not_found(_NO_SUCH_IDENTITY)


def unconvertible(kind: str, target: str) -> ServiceError:
    """Build the answer to a member of the wrong type, in the words that Rooms has for it."""
    message = f"The JSON value could not be converted to {kind}."
    return problems.invalid([problems.bad_argument(message, target)])


def _validation(message: str, target: str) -> TargetedError:
    return TargetedError("ValidationError", message, target=target)
