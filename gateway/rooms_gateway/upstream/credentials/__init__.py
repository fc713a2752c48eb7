"""How the gateway proves to the service who it is: access keys, or tokens of Entra ID.

A `Signer` is one key or token. A `Credential` is what keeps them: it says which to sign with, and
what else there is when the service answers 401.
"""

from __future__ import annotations

from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialObserver
from rooms_gateway.upstream.credentials.access_key import AccessKey
from rooms_gateway.upstream.credentials.access_keys import AccessKeys
from rooms_gateway.upstream.credentials.bearer import BearerTokens
from rooms_gateway.upstream.credentials.entra import entra_tokens
from rooms_gateway.upstream.credentials.key_file import parse_access_keys, read_key_file
from rooms_gateway.upstream.credentials.protocol import Credential, CredentialError, Signer
from rooms_gateway.upstream.credentials.settings import (
    CredentialSettings,
    EntraKind,
    EntraSettings,
    KeySettings,
)
from rooms_gateway.upstream.endpoint import Endpoint

__all__ = [
    "AccessKey",
    "AccessKeys",
    "BearerTokens",
    "Credential",
    "CredentialError",
    "CredentialSettings",
    "EntraKind",
    "EntraSettings",
    "KeySettings",
    "Signer",
    "make_credential",
    "parse_access_keys",
    "read_key_file",
]


def make_credential(
    settings: CredentialSettings, endpoint: Endpoint, observer: CredentialObserver = NOOP_OBSERVER
) -> Credential:
    """Make the credential for `endpoint`; it works inside of `async with`.

    Raises CredentialError if tokens would go over a network unencrypted, or if azure-identity
    is needed and not installed.
    """
    if isinstance(settings, KeySettings):
        return AccessKeys(settings.keys, settings.file, observer=observer)
    if not endpoint.private:
        raise CredentialError(
            "a token is never sent over http:// except to this machine: whoever reads it can use it"
        )
    return BearerTokens(entra_tokens(settings), observer=observer)
