"""Errors of the Identity service: a code, a message, and the invalid member.

Unlike those of Rooms, its validation errors have `target` instead of `details`, and none of its
errors has an `x-ms-error-code`.
"""

from __future__ import annotations

from http import HTTPStatus

from rooms_emulator.problems import ErrorBody, ServiceError

_NO_SUCH_IDENTITY = "Provided identity doesn't exist."
_NOT_OWNED = "Provided identity doesn't belong to the resource."
_BAD_IDENTITY = "The identity is not of the form 8:acs:<guid>_<guid>."
_NOTHING_TO_EXCHANGE = "The body is either missing or doesn't contain any token."
_INVALID_ACCESS = "Provided access token is not valid."


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


def invalid(message: str, target: str) -> ServiceError:
    """Return the handler error for an invalid member."""
    return ServiceError(HTTPStatus.BAD_REQUEST, _validation(message, target))


def not_in_version(target: str, version: str) -> ServiceError:
    """Return the error for a member that the api-version does not have."""
    return invalid(f"The API version '{version}' does not have {target}.", target)


def bad_identity() -> ServiceError:
    """Return the error for a malformed id."""
    return invalid(_BAD_IDENTITY, "id")


def not_owned() -> ServiceError:
    """Return the error for an identity of another resource."""
    return ServiceError(HTTPStatus.UNAUTHORIZED, ErrorBody("IdentityNotOwned", _NOT_OWNED))


def no_such_identity() -> ServiceError:
    """Return the error for an identity that does not exist or was deleted."""
    return ServiceError(HTTPStatus.NOT_FOUND, ErrorBody("IdentityNotFound", _NO_SUCH_IDENTITY))


def no_teams_token() -> ServiceError:
    """Return the error for an exchange without a Teams user's token."""
    return ModelError(HTTPStatus.BAD_REQUEST, _validation(_NOTHING_TO_EXCHANGE, ""))


def bad_teams_token() -> ServiceError:
    """Return the error for a Teams user's token that is malformed or has expired."""
    error = ErrorBody("InvalidAccessToken", _INVALID_ACCESS)
    return ModelError(HTTPStatus.UNAUTHORIZED, error)


def _validation(message: str, target: str) -> TargetedError:
    return TargetedError("ValidationError", message, target=target)
