"""Authenticates the caller of each call, and checks its permission against the policy."""

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
"""Maximum length of a token, checked before any hash or signature is computed."""

_SCHEME = "bearer "
_JWT_DOTS = 2

_PROOFS = {
    Proof.CERTIFICATE: "a client certificate that it names",
    Proof.TOKEN: "a bearer token in `authorization`",
    Proof.SOCKET: "the Unix socket",
}


class State(NamedTuple):
    """The policy and keys that apply to one call; fixed when the call starts."""

    policy: Policy
    keys: JwksClient | None = None


class Authorizer:
    """Authorizes calls by the current policy."""

    def __init__(self, state: State) -> None:
        self.state = state
        """Replaced as a whole when the policy is reloaded."""

    async def authorize(self, call: Call, context: Context, method: str) -> Caller:
        """Set `call.caller` and `call.proof`; return the caller.

        `method` is `/package.Service/Method`. Raises UnauthenticatedError or PermissionDeniedError.
        """
        state = self.state
        caller = await _authenticate(call, state, context)
        call.caller = caller.name
        if method not in caller.allowed:
            raise PermissionDeniedError(
                f"the policy of this gateway does not allow this call for the caller "
                f"{caller.name}: ask the gateway's operator"
            )
        return caller


async def _authenticate(call: Call, state: State, context: Context) -> Caller:
    """Return the caller. If there is a token, only the token counts; then certificate, then socket.

    Raises UnauthenticatedError, or PermissionDeniedError for an identity that the policy lacks.
    """
    policy = state.policy
    if policy.accepts_tokens:
        header = _authorization(context)
        if header is not None:
            return await _by_token(call, state, header)
    if context.peer().startswith("unix:"):
        if policy.of_sockets is not None:
            call.proof = "socket"
            return policy.of_sockets
    else:
        names = _CertificateNames.of(context)
        if names:
            call.proof = "certificate"
            return _by_certificate(policy, names)
    ways = [text for proof, text in _PROOFS.items() if proof in policy.proofs]
    raise UnauthenticatedError(
        f"the policy of this gateway requires authentication: use {' or '.join(ways)}"
    )


def _authorization(context: Context) -> str | None:
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(found) > 1:
        raise UnauthenticatedError("more than one `authorization`: send only one")
    return str(found[0]) if found else None


async def _by_token(call: Call, state: State, header: str) -> Caller:
    token = header[len(_SCHEME) :].strip(" ")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise UnauthenticatedError("malformed `authorization`: send `Bearer` and a token")
    if len(token) > MAX_TOKEN or TOKEN.fullmatch(token) is None:
        raise UnauthenticatedError("malformed bearer token in `authorization`: get a new one")
    known = state.policy.by_digest.get(digest_of(token))
    if known is not None:
        call.proof = "static_token"
        return known
    rules = state.policy.jwt
    if rules is None or token.count(".") != _JWT_DOTS:
        raise _rejected("it is not known to this gateway")
    try:
        try:
            name = verified_name(token, _keys(state), rules)
        except UnknownKeyError:
            if state.keys is None:
                raise
            await state.keys.refresh()
            name = verified_name(token, _keys(state), rules)
    except InvalidTokenError as error:
        raise _rejected(str(error)) from None
    call.proof = f"jwt:{rules.issuer}"
    caller = state.policy.by_subject.get(name)
    if caller is None:
        # The claim is not repeated: it can be personal data.
        raise PermissionDeniedError(
            f"the bearer token is valid, but the policy of this gateway has no caller for its "
            f"{rules.claim}: ask the gateway's operator"
        )
    return caller


def _rejected(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"the bearer token is rejected, because {reason}: get a new one")


def _keys(state: State) -> tuple[Key, ...]:
    return state.policy.keys if state.keys is None else state.keys.keys


class _CertificateNames(NamedTuple):
    """The names in a verified client certificate."""

    uris: list[str]
    dns: list[str]

    def __bool__(self) -> bool:
        return bool(self.uris or self.dns)

    @classmethod
    def of(cls, context: Context) -> _CertificateNames:
        found = context.auth_context()
        spiffe = _texts(found.get("peer_spiffe_id", ()))
        # An SVID has exactly one URI (X.509-SVID, section 2), and only then grpc sets
        # peer_spiffe_id: SPIFFE URIs in peer_uri alone are not trusted.
        others = [
            uri for uri in _texts(found.get("peer_uri", ())) if not uri.startswith("spiffe://")
        ]
        return cls([*spiffe, *others], [dns.lower() for dns in _texts(found.get("peer_dns", ()))])


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("ascii", errors="replace") for value in values]


def _by_certificate(policy: Policy, names: _CertificateNames) -> Caller:
    for callers, found in ((policy.by_uri, names.uris), (policy.by_dns, names.dns)):
        for name in found:
            if name in callers:
                return callers[name]
    # The name may be repeated: it is from the caller's own certificate.
    first = [*names.uris, *names.dns][0]
    raise PermissionDeniedError(
        f"the policy of this gateway has no caller for the certificate of {first[:200]}: ask the "
        "gateway's operator"
    )
