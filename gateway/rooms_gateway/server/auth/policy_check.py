"""Whether the callers of a policy can ever show who they are, on the listeners that there are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rooms_gateway.addresses import UNIX, is_loopback, split_host_port
from rooms_gateway.server.auth.policy import Policy, Proof
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy

_NEEDS = "certificates need --tls-client-ca, and socket = true needs a unix: address in --listen"


def policy_errors(path: Path | None, listen: Iterable[str], *, asks_clients: bool) -> list[str]:
    """Return why the gateway cannot start with the policy at `path`, by flag.

    `listen` are the addresses; `asks_clients` says whether TCP listeners ask for certificates.
    """
    if path is None:
        return []
    try:
        policy = read_policy(path)
    except PolicyError as error:
        return [f"--caller-policy: {fault}" for fault in error.faults]
    unreachable = _unreachable(policy, listen, asks_clients=asks_clients)
    if len(unreachable) < len(policy.callers):
        return []
    return [f"--caller-policy: no caller of {path} can ever show who it is here: {_NEEDS}"]


def policy_warnings(
    policy: Policy, listen: tuple[str, ...], *, encrypted: bool, asks_clients: bool
) -> list[str]:
    """Say what of a policy is useless or dangerous with these listeners."""
    warnings = [
        f"the caller {name} can never show who it is here: {_NEEDS}"
        for name in _unreachable(policy, listen, asks_clients=asks_clients)
    ]
    if policy.takes_tokens and not encrypted:
        warnings += [
            f"bearer tokens travel to {address} unencrypted: whoever can listen on that network "
            "can use them; encrypt with --tls-cert and --tls-key"
            for address in listen
            if not address.startswith(UNIX) and not is_loopback(split_host_port(address)[0])
        ]
    return warnings


def _unreachable(policy: Policy, listen: Iterable[str], *, asks_clients: bool) -> list[str]:
    possible = {Proof.TOKEN}
    addresses = list(listen)
    if any(address.startswith(UNIX) for address in addresses):
        possible.add(Proof.SOCKET)
    if asks_clients and not all(address.startswith(UNIX) for address in addresses):
        possible.add(Proof.CERTIFICATE)
    return [name for name, caller in policy.callers.items() if possible.isdisjoint(caller.proofs)]
