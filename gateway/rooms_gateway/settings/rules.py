"""Rules that the values of settings must keep, beyond their types."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rooms_gateway.addresses import UNIX, check_address, duplicates
from rooms_gateway.settings.declaration import declared

if TYPE_CHECKING:
    from rooms_gateway.settings.gateway import Settings


def find_errors(settings: Settings) -> list[str]:
    """Return one sentence for each broken rule."""
    return [
        *_emulator_errors(settings),
        *_resource_errors(settings),
        *_listener_errors(settings),
        *(_sharing_errors(settings) if settings.reuse_port else ()),
        *_tls_errors(settings),
        *_admin_errors(settings),
        *_number_errors(settings),
        *_rate_errors(settings),
    ]


def _emulator_errors(settings: Settings) -> Iterator[str]:
    if settings.emulator_faults is not None and not settings.embeds_emulator:
        yield "--emulator-faults needs --emulator"


def _resource_errors(settings: Settings) -> Iterator[str]:
    if settings.default_resource is not None and settings.resources is None:
        yield "--default-resource needs tables [resources.NAME] in the settings file"


def _listener_errors(settings: Settings) -> Iterator[str]:
    for address in settings.listen:
        try:
            check_address(
                address,
                allow_plaintext=settings.allow_plaintext,
                encrypted=settings.tls_cert is not None,
            )
        except ValueError as error:
            yield f"--listen: {error}"
    for address in duplicates(settings.listen):
        yield f"--listen: {address} is given twice"


def _sharing_errors(settings: Settings) -> Iterator[str]:
    ports = [address for address in settings.listen if not address.startswith(UNIX)]
    for address in ports:
        if address.rpartition(":")[2].strip("0") == "":
            yield f"--reuse-port: each process would get another port for {address}: choose one"
    if not ports:
        yield (
            "--reuse-port: processes cannot share a Unix socket: add a --listen host:port to share"
        )
    if settings.embeds_emulator:
        yield (
            "--reuse-port: each process would embed another emulator, with other rooms: run "
            "rooms-gateway emulator, and pass its --connection-string to all of them"
        )


def _tls_errors(settings: Settings) -> Iterator[str]:
    certificate, key = settings.tls_cert is not None, settings.tls_key is not None
    if certificate and not key:
        yield "--tls-cert needs --tls-key, the private key of the certificate"
    if key and not certificate:
        yield "--tls-key needs --tls-cert, the certificate of the key"
    if settings.tls_client_ca is not None and not certificate and not key:
        yield "--tls-client-ca needs --tls-cert and --tls-key: mTLS is a part of TLS"


def _admin_errors(settings: Settings) -> Iterator[str]:
    address = settings.admin_listen
    if address is None:
        if settings.quitquitquit:
            yield "--quitquitquit needs --admin-listen"
        if settings.upstream_probe_interval is not None and settings.resources is None:
            yield "--upstream-probe-interval needs --admin-listen"
    elif address.startswith(UNIX):
        yield f"--admin-listen {address}: probes and scrapers cannot connect to a Unix socket"
    else:
        try:
            check_address(
                address, allow_plaintext=settings.admin_allow_remote, flag="--admin-allow-remote"
            )
        except ValueError as error:
            yield f"--admin-listen: {error}"
        else:
            if address in duplicates((*set(settings.listen), address)):
                yield f"--admin-listen: {address} is an address of --listen"


def _rate_errors(settings: Settings) -> Iterator[str]:
    families = [each.family.value for each in settings.upstream_rate]
    for family in duplicates(families):
        yield f"--upstream-rate: {family} is given twice"


def _number_errors(settings: Settings) -> Iterator[str]:
    # click accepts "inf" and "nan" as numbers; no timer accepts them.
    for each in declared(type(settings)):
        if each.type is float and not math.isfinite(getattr(settings, each.name) or 0):
            yield f"{each.flag} must be a number of seconds"
