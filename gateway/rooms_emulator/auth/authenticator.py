"""Who is let in: the holders of the access keys, and of the tokens that a rule accepts."""

from collections.abc import Callable, Sequence
from typing import Final

from rooms_emulator import problems
from rooms_emulator.auth.access_key import AccessKey, Signed
from rooms_emulator.problems import ServiceError

BearerRule = Callable[[str], bool]
"""Says whether a bearer token, given without the word ``Bearer``, is accepted."""

_BEARER: Final = "Bearer "


class Callers:
    """Verifies requests by access key or bearer token; both may change while it runs.

    Args:
        keys: the access keys, base64.
        make_key: makes what verifies signatures with one of them.
        bearer: accepts bearer tokens; by default none is.

    Raises:
        ValueError: a key is not base64, or empty, or there is none.

    """

    def __init__(
        self,
        keys: Sequence[str],
        make_key: Callable[[str], AccessKey],
        bearer: BearerRule | None = None,
    ) -> None:
        self._make_key = make_key
        self._at_start = tuple(keys), bearer
        self.keys = tuple(keys)
        self.bearer = bearer

    @property
    def keys(self) -> tuple[str, ...]:
        """The access keys that are accepted now, base64, the primary one first."""
        return self._keys

    @keys.setter
    def keys(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("there has to be an access key")
        self._verifiers = tuple(self._make_key(key) for key in keys)
        self._keys = tuple(keys)

    def reset(self) -> None:
        """Let in whom it let in at the start."""
        self.keys, self.bearer = self._at_start

    def verify(self, request: Signed) -> None:
        """Check who asks.

        Raises:
            ServiceError: status 401; nothing proves that it is somebody to be let in.

        """
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith(_BEARER):
            token = authorization.removeprefix(_BEARER)
            if self.bearer is None or not self.bearer(token):
                raise problems.denied()
            return
        refusal = problems.denied()
        for key in self._verifiers:
            try:
                key.verify(request)
            except ServiceError as error:
                refusal = error
            else:
                return
        raise refusal
