"""Errors of the Identity service: a code, a message, and the invalid member.

Unlike those of Rooms, its validation errors have `target` instead of `details`, and none of its
errors has an `x-ms-error-code`.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from rooms_emulator import problems
from rooms_emulator.problems import ErrorBody, ServiceError

MIN_MINUTES = 60
MAX_MINUTES = 1440

_NO_SUCH_IDENTITY = "The identity does not exist."
_BAD_IDENTITY = "The identity is not of the form 8:acs:<guid>_<guid>."


class TargetedError(ErrorBody, frozen=True, omit_defaults=True):
    """Content of the error envelope, with the invalid member."""

    target: str = ""


class ModelError(ServiceError):
    """A request that the service's model rejects, before it reads the api-version."""

    @property
    def from_validation(self) -> bool:
        """Whether the error was found before the operation started: always."""
        return True


def missing(member: str) -> ServiceError:
    """Return the error for a missing member."""
    message = f"{member}: The {member} field is required."
    return ModelError(HTTPStatus.BAD_REQUEST, _validation(message, member))


def bad_minutes(minutes: int) -> ServiceError:
    """Return the error for an expiry of a token that is too short or too long."""
    interval = f"[{MIN_MINUTES}, {MAX_MINUTES}]"
    message = (
        f"ExpiresInMinutes value {minutes} is invalid. "
        f"Value must be within the {interval} interval."
    )
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(message, "ExpiresInMinutes"))


def bad_scope(scope: str, member: str, known: Iterable[str]) -> ServiceError:
    """Return the error for a scope that the api-version does not have."""
    message = f"{member}: The scope '{scope}' is not one of {', '.join(known)}."
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(message, member))


def bad_identity() -> ServiceError:
    """Return the error for a malformed id."""
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(_BAD_IDENTITY, "id"))


def no_such_identity() -> ServiceError:
    """Return the error for an identity that does not exist or was deleted."""
    return problems.not_found(_NO_SUCH_IDENTITY)


def _validation(message: str, target: str) -> TargetedError:
    return TargetedError("ValidationError", message, target=target)
