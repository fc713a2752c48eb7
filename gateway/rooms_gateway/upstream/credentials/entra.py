"""Tokens of Microsoft Entra ID, through the azure-identity library.

The library is an optional extra of about 16 MB and is imported on first use, here only.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rooms_gateway.upstream.credentials.bearer import FetchToken, Token
from rooms_gateway.upstream.credentials.key_file import read_client_secret
from rooms_gateway.upstream.credentials.protocol import CredentialError
from rooms_gateway.upstream.credentials.settings import EntraKind, EntraSettings

SCOPE = "https://communication.azure.com//.default"
"""With two slashes, as in Microsoft's clients."""

FETCH_TIMEOUT = 30.0
"""Timeout per token, in seconds, including the library's retries."""

MISSING = "Entra ID requires the azure-identity library: pip install 'rooms-gateway[entra]'"

_UNUSABLE = {
    EntraKind.DEFAULT: "no credential found in the environment",
    EntraKind.MANAGED_IDENTITY: "this host does not have the managed identity",
    EntraKind.WORKLOAD_IDENTITY: (
        "a client id, a tenant id or a token file is missing: set --entra-client-id, "
        "--entra-tenant-id and AZURE_FEDERATED_TOKEN_FILE, or enable the workload identity webhook"
    ),
    EntraKind.CLIENT_SECRET: "the client id, the tenant id or the authority host is malformed",
}

_TOKEN = re.compile(r"[!-~]{1,16000}")
_CODE = re.compile(r"AADSTS[0-9]{1,9}")


def entra_tokens(settings: EntraSettings, options: Mapping[str, Any] | None = None) -> FetchToken:
    """Return a function that fetches tokens for the identity in `settings`.

    `options`, such as `retry_total`, are passed to the library's credential. Raises CredentialError
    if the library is not installed.
    """
    try:
        library = import_module("azure.identity.aio")
        errors = import_module("azure.core.exceptions")
    except ImportError:
        raise CredentialError(MISSING) from None
    # The library logs responses of issuers, which can contain secrets.
    logging.getLogger("azure").setLevel(logging.CRITICAL + 1)

    async def fetch() -> Token:
        try:
            # A new credential per token, because the library caches tokens in its credentials and
            # would return the one that the upstream has just rejected.
            async with (
                asyncio.timeout(FETCH_TIMEOUT),
                await _make(library, settings, options or {}) as credential,
            ):
                token = await credential.get_token_info(SCOPE)
        except TimeoutError:
            raise _failed(settings.kind, "the issuer did not respond in time") from None
        except ValueError as error:
            known = isinstance(error, _SecretFileError)
            reason = str(error) if known else _UNUSABLE[settings.kind]
            raise _failed(settings.kind, reason) from None
        except errors.AzureError as error:
            raise _failed(settings.kind, _reason(error, settings.kind)) from None
        except Exception as error:  # noqa: BLE001 - the library's parsers raise any exception
            reason = f"cannot read the issuer response or a file ({type(error).__name__})"
            raise _failed(settings.kind, reason) from None
        if not _TOKEN.fullmatch(token.token):
            raise _failed(settings.kind, "the issuer returned a malformed token")
        return Token(token.token, float(token.expires_on), _instant(token.refresh_on))

    return fetch


class _SecretFileError(ValueError):
    """The file with the client secret is unusable; the text gives the reason."""


async def _make(library: Any, settings: EntraSettings, options: Mapping[str, Any]) -> Any:
    """Return the library's credential. Raises ValueError if `settings` are unusable."""
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
    # None is left out, because with it the library would ignore the environment.
    if client_id is not None:
        arguments["managed_identity_client_id"] = client_id
    if tenant_id is not None:
        arguments["workload_identity_tenant_id"] = tenant_id
    return library.DefaultAzureCredential(**arguments)


def _read_client_secret(settings: EntraSettings) -> str:
    if settings.client_secret_file is None:
        raise _SecretFileError("no file with the client secret is configured")
    try:
        return read_client_secret(settings.client_secret_file)
    except ValueError as error:
        raise _SecretFileError(str(error)) from None


def _failed(kind: EntraKind, reason: str) -> CredentialError:
    return CredentialError(f"cannot get an Entra ID token ({kind}): {reason}")


def _reason(error: Exception, kind: EntraKind) -> str:
    """Describe `error` without its text, which repeats the response of the issuer."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    codes = sorted(set(_CODE.findall(str(error))))
    if codes or status is not None:
        facts = [f"HTTP status {status}"] if isinstance(status, int) else []
        return f"the issuer rejected the request ({', '.join(facts + codes)})"
    if type(error).__name__ in {"ServiceRequestError", "ServiceResponseError"}:
        return "the issuer is unreachable"
    return _UNUSABLE[kind]


def _instant(seconds: int | None) -> float | None:
    return None if seconds is None else float(seconds)
