"""The gate: finds out who calls, and whether the policy lets them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rooms_gateway.call import Call, Context
from rooms_gateway.errors import PermissionDeniedError, UnauthenticatedError
from rooms_gateway.server.auth.jwks import JwksClient
from rooms_gateway.server.auth.jwt import InvalidTokenError, Key, UnknownKeyError, verified_name
from rooms_gateway.server.auth.policy import Caller, Policy, Proof
from rooms_gateway.server.auth.static_tokens import TOKEN, digest_of

MAX_TOKEN = 8192
"""Characters; what is longer is refused before anything is computed on it."""

_SCHEME = "bearer "
_JWT_DOTS = 2

_PROOFS = {
    Proof.CERTIFICATE: "a client certificate that it names",
    Proof.TOKEN: "a bearer token in `authorization`",
    Proof.SOCKET: "the Unix socket",
}


class State(NamedTuple):
    """What one call is judged by, from its begin to its end."""

    policy: Policy
    keys: JwksClient | None = None


class Authorizer:
    """Judges calls by the policy that is in force."""

    def __init__(self, state: State) -> None:
        self.state = state
        """In force; whoever follows the files replaces it."""

    async def admit(self, call: Call, context: Context, method: str) -> None:
        """Note in `call` whose it is. `method` is `/package.Service/Method`.

        Raises UnauthenticatedError and PermissionDeniedError.
        """
        state = self.state
        caller = await _identify(state, context)
        call.caller = caller.name
        if method not in caller.allowed:
            raise PermissionDeniedError(
                f"the policy of this gateway does not let the caller {caller.name} do this: ask "
                "whoever runs the gateway"
            )


async def _identify(state: State, context: Context) -> Caller:
    """Return who calls. A token counts alone if there is one; then certificate, then socket."""
    policy = state.policy
    if policy.takes_tokens:
        header = _authorization(context)
        if header is not None:
            return await _by_token(state, header)
    if context.peer().startswith("unix:"):
        if policy.of_sockets is not None:
            return policy.of_sockets
    else:
        names = _CertificateNames.of(context)
        if names:
            return _by_certificate(policy, names)
    ways = [text for proof, text in _PROOFS.items() if proof in policy.proofs]
    raise UnauthenticatedError(
        f"this gateway serves only callers that its policy knows: use {' or '.join(ways)}"
    )


def _authorization(context: Context) -> str | None:
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(found) > 1:
        raise UnauthenticatedError("there is more than one `authorization`: send one")
    return str(found[0]) if found else None


async def _by_token(state: State, header: str) -> Caller:
    token = header[len(_SCHEME) :].strip(" ")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise UnauthenticatedError("`authorization` is not `Bearer` and a token: send that")
    if len(token) > MAX_TOKEN or TOKEN.fullmatch(token) is None:
        raise UnauthenticatedError("what comes after `Bearer` is not a token: get a new one")
    known = state.policy.by_digest.get(digest_of(token))
    if known is not None:
        return known
    rules = state.policy.jwt
    if rules is None or token.count(".") != _JWT_DOTS:
        raise _refused("it is not one that this gateway knows")
    try:
        try:
            name = verified_name(token, _keys(state), rules)
        except UnknownKeyError:
            if state.keys is None:
                raise
            await state.keys.look_again()
            name = verified_name(token, _keys(state), rules)
    except InvalidTokenError as fault:
        raise _refused(str(fault)) from None
    caller = state.policy.by_subject.get(name)
    if caller is None:
        # Not repeated: what a token says of its owner can be a person.
        raise PermissionDeniedError(
            f"the bearer token is good, but the policy of this gateway has no caller for its "
            f"{rules.claim}: ask whoever runs the gateway"
        )
    return caller


def _refused(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"the bearer token is not taken, because {why}: get a new one")


def _keys(state: State) -> tuple[Key, ...]:
    return state.policy.keys if state.keys is None else state.keys.keys


class _CertificateNames(NamedTuple):
    """The names in a client's certificate, which its authority vouches for."""

    uris: list[str]
    dns: list[str]

    def __bool__(self) -> bool:
        return bool(self.uris or self.dns)

    @classmethod
    def of(cls, context: Context) -> _CertificateNames:
        found = context.auth_context()
        spiffe = _texts(found.get("peer_spiffe_id", ()))
        # An SVID has one URI, and grpc names a SPIFFE id only if that is so: X.509-SVID, section 2.
        others = [
            uri for uri in _texts(found.get("peer_uri", ())) if not uri.startswith("spiffe://")
        ]
        return cls([*spiffe, *others], [dns.lower() for dns in _texts(found.get("peer_dns", ()))])


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("ascii", errors="replace") for value in values]


def _by_certificate(policy: Policy, names: _CertificateNames) -> Caller:
    for known, shown in ((policy.by_uri, names.uris), (policy.by_dns, names.dns)):
        for name in shown:
            if name in known:
                return known[name]
    # The caller's own certificate says it, so the caller may hear it.
    first = [*names.uris, *names.dns][0]
    raise PermissionDeniedError(
        f"the policy of this gateway has no caller for the certificate of {first[:200]}: ask "
        "whoever runs the gateway"
    )
