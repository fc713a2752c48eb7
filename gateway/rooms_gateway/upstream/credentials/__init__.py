"""Credentials for the upstream: access keys, or tokens of Microsoft Entra ID.

A `Signer` is one key or token. A `Credential` holds them, selects the one to sign with, and finds
a replacement after a 401.
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
    """Return the credential for `endpoint`, to be used inside `async with`.

    Raises CredentialError if tokens would be sent over a network unencrypted, or if azure-identity
    is required and not installed.
    """
    if isinstance(settings, KeySettings):
        return AccessKeys(settings.keys, settings.file, observer=observer)
    if not endpoint.private:
        raise CredentialError(
            "an Entra ID token is sent unencrypted to loopback only: use an https:// endpoint"
        )
    return BearerTokens(entra_tokens(settings), observer=observer)
