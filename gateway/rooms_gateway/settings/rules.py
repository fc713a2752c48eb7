"""Rules that the values of settings must keep, beyond their types."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rooms_gateway.addresses import (
    SYSTEMD,
    UNIX,
    check_address,
    duplicates,
    is_loopback,
    split_host_port,
)
from rooms_gateway.server.kind import ServerKind
from rooms_gateway.settings.declaration import declared
from rooms_gateway.upstream.models import MAX_LIFETIME
from rooms_gateway.upstream.versions import API_VERSIONS

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
        *_audit_errors(settings),
        *_number_errors(settings),
        *_rate_errors(settings),
        *_room_errors(settings),
    ]


def _emulator_errors(settings: Settings) -> Iterator[str]:
    if settings.emulator_faults is not None and not settings.embeds_emulator:
        yield "--emulator-faults needs --emulator"
    address = settings.emulator_listen
    if address is None:
        return
    if not settings.embeds_emulator:
        yield "--emulator-listen needs --emulator"
    elif address.startswith(UNIX):
        yield f"--emulator-listen {address}: the emulator cannot listen on a Unix socket"
    else:
        try:
            host, _ = split_host_port(address)
        except ValueError as error:
            yield f"--emulator-listen: {error}"
            return
        if not is_loopback(host):
            yield (
                f"--emulator-listen: {address} is reachable from other hosts: listen on 127.0.0.1"
            )
        elif address in duplicates((*set(settings.listen), address)):
            yield f"--emulator-listen: {address} is an address of --listen"


def _resource_errors(settings: Settings) -> Iterator[str]:
    if settings.default_resource is not None and settings.resources is None:
        yield "--default-resource needs tables [resources.NAME] in the settings file"


def _listener_errors(settings: Settings) -> Iterator[str]:
    for address in settings.listen:
        if address.startswith(SYSTEMD):
            yield from _inherited_errors(settings, address)
            continue
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


def _inherited_errors(settings: Settings, address: str) -> Iterator[str]:
    if address == SYSTEMD:
        yield f"--listen: {address!r} has no name: write systemd:NAME, as in FileDescriptorName="
    if settings.server is ServerKind.GRPC:
        yield f"--listen {address}: --server grpc cannot serve sockets of systemd"


def _sharing_errors(settings: Settings) -> Iterator[str]:
    ports = [address for address in settings.listen if not address.startswith((UNIX, SYSTEMD))]
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


def _audit_errors(settings: Settings) -> Iterator[str]:
    if settings.audit_log is None:
        if settings.audit_required:
            yield "--audit-required needs --audit-log"
        if settings.audit_key_file is not None:
            yield "--audit-key-file needs --audit-log"


def _rate_errors(settings: Settings) -> Iterator[str]:
    families = [each.family.value for each in settings.upstream_rate]
    for family in duplicates(families):
        yield f"--upstream-rate: {family} is given twice"


def _room_errors(settings: Settings) -> Iterator[str]:
    default, longest = settings.default_room_lifetime, settings.max_room_lifetime
    for flag, lifetime in (("--default-room-lifetime", default), ("--max-room-lifetime", longest)):
        if lifetime is not None and MAX_LIFETIME < lifetime < math.inf:
            yield f"{flag} must be at most {MAX_LIFETIME}, the 180 days of the Rooms service"
    if default is not None and longest is not None and longest < default < math.inf:
        yield (
            f"--default-room-lifetime {default:.15g} is longer than --max-room-lifetime "
            f"{longest:.15g}: lower the default, or raise the maximum"
        )
    role = settings.default_role
    if role and role.capitalize() in API_VERSIONS[settings.api_version].unknown_roles:
        yield (
            f"--default-role: --api-version {settings.api_version} does not support {role}: choose "
            "another role, or a newer version"
        )


def _number_errors(settings: Settings) -> Iterator[str]:
    # click accepts "inf" and "nan" as numbers; no timer accepts them.
    for each in declared(type(settings)):
        if each.type is float and not math.isfinite(getattr(settings, each.name) or 0):
            yield f"{each.flag} must be a number of seconds"
