"""Tokens of Microsoft Entra ID, through azure-identity: the only module that knows that library.

It is an optional extra and costs some 16 MB, so nothing of it is imported before it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rooms_gateway.upstream.credentials.bearer import FetchToken, Token
from rooms_gateway.upstream.credentials.key_file import read_secret
from rooms_gateway.upstream.credentials.protocol import CredentialError
from rooms_gateway.upstream.credentials.settings import EntraKind, EntraSettings

SCOPE = "https://communication.azure.com//.default"
"""With two slashes, in all of Microsoft's clients."""

FETCH_TIMEOUT = 30.0
"""Seconds for one token, the library's own repeats included."""

MISSING = "Entra ID needs the azure-identity library: pip install 'rooms-gateway[entra]'"

_UNUSABLE = {
    EntraKind.DEFAULT: "nothing in the environment gives one",
    EntraKind.MANAGED_IDENTITY: "this machine has no managed identity, or not that one",
    EntraKind.WORKLOAD_IDENTITY: (
        "it takes a client id, a tenant id and a token file: --entra-client-id, --entra-tenant-id "
        "and AZURE_FEDERATED_TOKEN_FILE, or what the workload identity webhook sets"
    ),
    EntraKind.CLIENT_SECRET: "the client id, the tenant id or the authority host has a wrong form",
}

_TOKEN = re.compile(r"[!-~]{1,16000}")
_CODE = re.compile(r"AADSTS[0-9]{1,9}")


def entra_tokens(settings: EntraSettings, options: Mapping[str, Any] | None = None) -> FetchToken:
    """Return what fetches tokens for the identity in `settings`.

    `options` go to the library's credential as they are, such as `retry_total`. Raises
    CredentialError if the library is not installed.
    """
    try:
        library = import_module("azure.identity.aio")
        errors = import_module("azure.core.exceptions")
    except ImportError:
        raise CredentialError(MISSING) from None
    # The library logs what issuers answer, at length. What matters of it is logged by us.
    logging.getLogger("azure").setLevel(logging.CRITICAL + 1)

    async def fetch() -> Token:
        try:
            # A new credential for each token: the library keeps tokens in its credentials, and
            # would give back the one that the service has just rejected.
            async with (
                asyncio.timeout(FETCH_TIMEOUT),
                await _make(library, settings, options or {}) as credential,
            ):
                token = await credential.get_token_info(SCOPE)
        except TimeoutError:
            raise _failed(settings.kind, "its issuer does not answer") from None
        except ValueError as error:
            known = isinstance(error, _SecretFileError)
            reason = str(error) if known else _UNUSABLE[settings.kind]
            raise _failed(settings.kind, reason) from None
        except errors.AzureError as error:
            raise _failed(settings.kind, _reason(error, settings.kind)) from None
        except Exception as error:  # noqa: BLE001 - odd answers and files raise what they like there
            reason = f"its issuer's answer, or a file, cannot be read ({type(error).__name__})"
            raise _failed(settings.kind, reason) from None
        if not _TOKEN.fullmatch(token.token):
            raise _failed(settings.kind, "its issuer gave something that is no token")
        return Token(token.token, float(token.expires_on), _instant(token.refresh_on))

    return fetch


class _SecretFileError(ValueError):
    """The file with the client secret cannot be used; its text says why."""


async def _make(library: Any, settings: EntraSettings, options: Mapping[str, Any]) -> Any:
    """Make the library's credential. Raises ValueError if it cannot be made from `settings`."""
    arguments = dict(options)
    if settings.authority_host is not None:
        arguments["authority"] = settings.authority_host
    client_id, tenant_id = settings.client_id, settings.tenant_id
    match settings.kind:
        case EntraKind.MANAGED_IDENTITY:
            return library.ManagedIdentityCredential(client_id=client_id, **arguments)
        case EntraKind.WORKLOAD_IDENTITY:
            return library.WorkloadIdentityCredential(
                client_id=client_id, tenant_id=tenant_id, **arguments
            )
        case EntraKind.CLIENT_SECRET:
            secret = await asyncio.to_thread(_read_client_secret, settings)
            return library.ClientSecretCredential(
                tenant_id, client_id, client_secret=secret, **arguments
            )
    # What is None has to be left out here: the library would not look into the environment.
    if client_id is not None:
        arguments["managed_identity_client_id"] = client_id
    if tenant_id is not None:
        arguments["workload_identity_tenant_id"] = tenant_id
    return library.DefaultAzureCredential(**arguments)


def _read_client_secret(settings: EntraSettings) -> str:
    if settings.client_secret_file is None:
        raise _SecretFileError("there is no file with the client secret")
    try:
        secret = read_secret(settings.client_secret_file).strip()
    except ValueError as fault:
        raise _SecretFileError(str(fault)) from None
    if not secret:
        raise _SecretFileError(f"{settings.client_secret_file} is empty")
    return secret


def _failed(kind: EntraKind, reason: str) -> CredentialError:
    return CredentialError(f"no Entra ID token by {kind}: {reason}")


def _reason(error: Exception, kind: EntraKind) -> str:
    """Say why in words of our own: those of the library repeat what the issuer wrote."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    codes = sorted(set(_CODE.findall(str(error))))
    if codes or status is not None:
        facts = [f"HTTP status {status}"] if isinstance(status, int) else []
        return f"its issuer refused ({', '.join(facts + codes)})"
    if type(error).__name__ in {"ServiceRequestError", "ServiceResponseError"}:
        return "its issuer cannot be reached"
    return _UNUSABLE[kind]


def _instant(seconds: int | None) -> float | None:
    return None if seconds is None else float(seconds)
