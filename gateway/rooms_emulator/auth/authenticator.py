"""Authentication of requests by access key or bearer token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rooms_emulator import problems
from rooms_emulator.auth.access_key import AccessKey
from rooms_emulator.clock import Clock
from rooms_emulator.http.messages import RawRequest
from rooms_emulator.problems import ServiceError

BearerRule = Callable[[str], bool]
"""Predicate on a bearer token, without the word `Bearer`; true accepts the token."""

_BEARER = "Bearer "


class Authenticator:
    """Verifies requests by access key or bearer token. Both can change while the emulator runs.

    `keys` are the access keys, base64, the primary key first. `bearer` accepts bearer tokens;
    without it, none is accepted. `date_margin` and `legacy` are those of `AccessKey`. Raises
    ValueError if there is no key, or a key is empty or not base64.
    """

    def __init__(
        self,
        keys: Sequence[str],
        clock: Clock,
        bearer: BearerRule | None = None,
        *,
        date_margin: float = 300.0,
        legacy: bool = False,
    ) -> None:
        self._clock = clock
        self._date_margin = date_margin
        self._legacy = legacy
        self._initial = tuple(keys), bearer
        self.keys = tuple(keys)
        self.bearer = bearer

    @property
    def keys(self) -> tuple[str, ...]:
        """The accepted access keys, base64, the primary key first."""
        return self._keys

    @keys.setter
    def keys(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one access key is required")
        self._verifiers = tuple(
            AccessKey(key, self._clock, self._date_margin, legacy=self._legacy) for key in keys
        )
        self._keys = tuple(keys)

    def reset(self) -> None:
        """Restore the keys and the rule for bearer tokens of the start."""
        self.keys, self.bearer = self._initial

    def verify(self, request: RawRequest) -> None:
        """Check the credentials. Raises ServiceError with status 401 if they are not accepted."""
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith(_BEARER):
            token = authorization.removeprefix(_BEARER)
            if self.bearer is None or not self.bearer(token):
                raise problems.denied()
            return
        rejection = problems.denied()
        for key in self._verifiers:
            try:
                key.verify(request)
            except ServiceError as error:
                rejection = error
            else:
                return
        raise rejection
