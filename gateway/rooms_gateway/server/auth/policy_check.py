"""Checks a policy against the listeners: callers that can be authenticated, tokens in plaintext."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from rooms_gateway.addresses import SYSTEMD, UNIX, is_loopback, split_host_port
from rooms_gateway.server.auth.policy import Policy, Proof
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy

_NEEDS = (
    "certificates require --tls-client-ca, and socket = true requires a unix: address in --listen"
)


def policy_errors(path: Path | None, listen: Iterable[str], *, asks_clients: bool) -> list[str]:
    """Return the errors that prevent a start with the policy at `path`, by flag.

    `listen` are the addresses; with `asks_clients`, TCP listeners require certificates.
    """
    if path is None:
        return []
    try:
        policy = read_policy(path)
    except PolicyError as error:
        return [f"--caller-policy: {each}" for each in error.errors]
    unreachable = _unreachable(policy, listen, asks_clients=asks_clients)
    if len(unreachable) < len(policy.callers):
        return []
    return [f"--caller-policy: no caller of {path} can be authenticated here: {_NEEDS}"]


def policy_warnings(
    policy: Policy,
    listen: tuple[str, ...],
    *,
    encrypted: bool,
    asks_clients: bool,
    resources: Collection[str] | None = None,
) -> list[str]:
    """Return a warning for each caller that cannot make calls here, and for insecure tokens.

    `resources` are the names of the gateway's resources; None: it has one, without a name.
    """
    warnings = [
        f"the caller {name} cannot be authenticated here: {_NEEDS}"
        for name in _unreachable(policy, listen, asks_clients=asks_clients)
    ]
    for name, caller in policy.callers.items():
        if caller.resources is not None and caller.resources.isdisjoint(resources or ()):
            warnings.append(f"the caller {name} can make no calls: none of its resources exists")
    if policy.accepts_tokens and not encrypted:
        warnings += [
            f"bearer tokens to {address} are sent in plaintext, and can be stolen on the network: "
            "encrypt with --tls-cert and --tls-key"
            for address in listen
            if not address.startswith((UNIX, SYSTEMD))
            and not is_loopback(split_host_port(address)[0])
        ]
    return warnings


def _unreachable(policy: Policy, listen: Iterable[str], *, asks_clients: bool) -> list[str]:
    possible = {Proof.TOKEN}
    addresses = list(listen)
    if any(address.startswith((UNIX, SYSTEMD)) for address in addresses):
        possible.add(Proof.SOCKET)
    if asks_clients and not all(address.startswith(UNIX) for address in addresses):
        possible.add(Proof.CERTIFICATE)
    return [name for name, caller in policy.callers.items() if possible.isdisjoint(caller.proofs)]
