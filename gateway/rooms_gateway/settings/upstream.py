"""The upstream: where it is, and the credential for it. No error repeats a key or a secret."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from rooms_gateway.settings.declaration import Group, setting
from rooms_gateway.settings.errors import SettingsError
from rooms_gateway.upstream.credentials.key_file import parse_access_keys
from rooms_gateway.upstream.credentials.settings import (
    CredentialSettings,
    EntraKind,
    EntraSettings,
    KeySettings,
)
from rooms_gateway.upstream.endpoint import Endpoint, parse_connection_string
from rooms_gateway.upstream.route import DIRECT, Proxy, Route

_CREDENTIALS = "--access-key-file, ROOMS_GATEWAY_ACCESS_KEY or --entra"

CONNECTION_STRING = "COMMUNICATION_CONNECTION_STRING"
"""The name of the variable in most of Microsoft's samples."""

OTHER_CONNECTION_STRINGS = (
    "AZURE_COMMUNICATION_CONNECTION_STRING",
    "COMMUNICATION_SERVICES_CONNECTION_STRING",
    "COMMUNICATION_SAMPLES_CONNECTION_STRING",
    "COMMUNICATION_CONNECTION_STRING_ROOMS",
)
"""Other names in Microsoft's documentation. The gateway does not read them: they are set for other
programs on the host."""

_NO_UPSTREAM = (
    f"no upstream configured: pass --connection-string (or set {CONNECTION_STRING}), "
    "--endpoint with --access-key-file or --entra, or --emulator to try the gateway without an "
    "Azure account"
)

_ENTRA_REQUIRES = {
    EntraKind.CLIENT_SECRET: ("entra_client_id", "entra_tenant_id", "entra_client_secret_file")
}

_ENTRA_IGNORES = {
    EntraKind.DEFAULT: ("entra_client_secret_file",),
    EntraKind.MANAGED_IDENTITY: (
        "entra_tenant_id",
        "entra_client_secret_file",
        "entra_authority_host",
    ),
    EntraKind.WORKLOAD_IDENTITY: ("entra_client_secret_file",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """The settings that `make_upstream` turns into an `Upstream`."""

    connection_string: str | None = setting(
        None,
        Group.UPSTREAM,
        "Endpoint and access key of the Communication Services resource, as its Keys page shows "
        "them: endpoint=https://…;accesskey=…",
        also=CONNECTION_STRING,
        secret=True,
        per_resource=True,
    )
    endpoint: str | None = setting(
        None,
        Group.UPSTREAM,
        f"URL of the Communication Services resource. Needs a credential: {_CREDENTIALS}.",
        metavar="URL",
        per_resource=True,
    )
    upstream_ca: Path | None = setting(
        None,
        Group.UPSTREAM,
        "PEM file with the CA certificates that the Rooms service's certificate must chain to, "
        "instead of those of the system.",
        per_resource=True,
    )
    upstream_proxy: Proxy | None = setting(
        None,
        Group.UPSTREAM,
        "HTTP proxy for connections to the Rooms service. HTTPS_PROXY is not read.",
        metavar="http://HOST:PORT",
        parse=Proxy.parse,
        show="http://{}".format,
        per_resource=True,
    )
    upstream_proxy_credentials_file: Path | None = setting(
        None,
        Group.UPSTREAM,
        "File with user:password for the proxy. Read at startup.",
        per_resource=True,
    )
    access_key_file: Path | None = setting(
        None,
        Group.CREDENTIALS,
        "File with one or two access keys, one per line. Reloaded when it changes.",
        per_resource=True,
    )
    access_key: str | None = setting(
        None,
        Group.CREDENTIALS,
        "One or two access keys, separated by white space. There is no flag for it, because "
        "command lines are visible to other users.",
        secret=True,
        has_flag=False,
        in_file=False,
    )
    entra: EntraKind | None = setting(
        None,
        Group.CREDENTIALS,
        "Source of Microsoft Entra ID tokens. Needs pip install 'rooms-gateway[entra]'.",
        per_resource=True,
    )
    entra_client_id: str | None = setting(
        None,
        Group.CREDENTIALS,
        "Client id of a user-assigned identity or an application.",
        metavar="ID",
        per_resource=True,
    )
    entra_tenant_id: str | None = setting(
        None,
        Group.CREDENTIALS,
        "Tenant of the client id.",
        metavar="ID",
        per_resource=True,
    )
    entra_client_secret_file: Path | None = setting(
        None,
        Group.CREDENTIALS,
        "File with the secret for --entra client-secret. Read again for each token.",
        per_resource=True,
    )
    entra_authority_host: str | None = setting(
        None,
        Group.CREDENTIALS,
        "Token issuer of a cloud other than the public one, an https:// URL.",
        metavar="URL",
        per_resource=True,
    )
    emulator: bool = setting(
        False, Group.EMULATOR, "Use the embedded emulator as the upstream, in place of Azure."
    )


@dataclass(frozen=True, slots=True)
class Upstream:
    """The endpoint of the REST API, the credential for it, and the route to it."""

    endpoint: Endpoint
    credential: CredentialSettings
    route: Route = DIRECT

    @classmethod
    def with_key(cls, endpoint: Endpoint, access_key: bytes) -> Upstream:
        """Return an upstream with a single decoded access key."""
        return cls(endpoint, KeySettings((access_key,)))


class UpstreamFiles(NamedTuple):
    """Contents of the files that `UpstreamSettings` name, after all checks."""

    access_keys: tuple[bytes, ...] = ()
    """Decoded."""
    ca: str | None = None
    proxy_authorization: str = ""
    """Value of the `Proxy-Authorization` header."""


_NO_FILES = UpstreamFiles()


def make_upstream(
    given: UpstreamSettings,
    files: UpstreamFiles = _NO_FILES,
    variables: Collection[str] = (),
) -> Upstream | None:
    """Return the upstream that `given` and the content of its files describe.

    None: the embedded emulator. `variables` are the names of the environment variables that are
    set. Raises SettingsError with all errors.
    """
    upstream = _direct_upstream(given, files.access_keys, variables)
    if upstream is None:
        return None
    proxy = given.upstream_proxy
    if proxy is None and given.upstream_proxy_credentials_file is not None:
        raise SettingsError(["--upstream-proxy-credentials-file needs --upstream-proxy"])
    if proxy is not None:
        proxy = replace(proxy, authorization=files.proxy_authorization)
    return replace(upstream, route=Route(files.ca, proxy))


def _direct_upstream(
    given: UpstreamSettings, access_keys: tuple[bytes, ...], variables: Collection[str]
) -> Upstream | None:
    """Return the upstream of a connection string, or of an endpoint and one credential."""
    if given.emulator:
        return None
    credential, errors = _credential(given, access_keys)
    if given.connection_string is not None:
        if given.endpoint is not None or credential is not None or errors:
            raise SettingsError(
                ["pass either --connection-string or --endpoint with a credential, not both"]
            )
        try:
            return Upstream.with_key(*parse_connection_string(given.connection_string))
        except ValueError as error:
            raise SettingsError([f"--connection-string: {error}"]) from None
    endpoint = None
    if given.endpoint is not None:
        try:
            endpoint = Endpoint.parse(given.endpoint)
        except ValueError as error:
            errors.append(f"--endpoint: {error}")
        if credential is None and not errors:
            errors.append(f"--endpoint needs a credential: {_CREDENTIALS}")
    elif credential is None and not errors:
        errors.append(_no_upstream(variables))
    else:
        errors.append(f"{_CREDENTIALS} needs --endpoint")
    if errors or endpoint is None or credential is None:
        raise SettingsError(errors)
    return Upstream(endpoint, credential)


def _no_upstream(variables: Collection[str]) -> str:
    for name in OTHER_CONNECTION_STRINGS:
        if name in variables:
            return (
                f"no upstream configured: {name} is set, but the gateway reads "
                f"{CONNECTION_STRING}: set that to the same value"
            )
    return _NO_UPSTREAM


def _credential(
    given: UpstreamSettings, keys_in_file: tuple[bytes, ...]
) -> tuple[CredentialSettings | None, list[str]]:
    """Return the credential, None if there is none or it is invalid, and all errors."""
    found: list[str] = []
    errors: list[str] = []
    credential: CredentialSettings | None = None
    if given.access_key_file is not None:
        found.append("--access-key-file")
        credential = KeySettings(keys_in_file, given.access_key_file)
    if given.access_key is not None:
        found.append("ROOMS_GATEWAY_ACCESS_KEY")
        try:
            credential = KeySettings(parse_access_keys(given.access_key))
        except ValueError as error:
            errors.append(f"ROOMS_GATEWAY_ACCESS_KEY: {error}")
    entra = _entra_values(given)
    if given.entra is not None:
        found.append("--entra")
        errors += _entra_errors(given.entra, entra)
        credential = EntraSettings(
            given.entra,
            client_id=given.entra_client_id,
            tenant_id=given.entra_tenant_id,
            client_secret_file=given.entra_client_secret_file,
            authority_host=given.entra_authority_host,
        )
    elif entra:
        found.append("--entra")
        errors.append(f"{_flag(next(iter(entra)))} needs --entra, the source of the token")
    if len(found) > 1:
        errors.append(f"{' and '.join(found)} are {len(found)} credentials: pass only one")
    return None if errors else credential, errors


def _entra_values(given: UpstreamSettings) -> dict[str, object]:
    """Return the details of the identity that are set, by field."""
    return {
        each.name: value
        for each in fields(given)
        if each.name.startswith("entra_") and (value := getattr(given, each.name)) is not None
    }


def _entra_errors(kind: EntraKind, values: dict[str, object]) -> Iterator[str]:
    for name in _ENTRA_REQUIRES.get(kind, ()):
        if name not in values:
            yield f"--entra {kind} needs {_flag(name)}"
    for name in _ENTRA_IGNORES.get(kind, ()):
        if name in values:
            yield f"--entra {kind} does not use {_flag(name)}"
    host = str(values.get("entra_authority_host", "https://"))
    if not host.startswith("https://") or not host.isprintable():
        yield "--entra-authority-host must be an https:// URL"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
