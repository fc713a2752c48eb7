"""The process of a gateway: from startup to its exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from rooms_gateway.addresses import is_loopback
from rooms_gateway.app import Gateway
from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.serve import event_loop
from rooms_gateway.cli.serve.sources import EXIT_USAGE, ended
from rooms_gateway.cli.serve.systemd import ServiceManager
from rooms_gateway.cli.signals import ShutdownRequest
from rooms_gateway.resources.upstream_files import read_upstream
from rooms_gateway.server.auth.policy_file import PolicyError
from rooms_gateway.server.ports import BindError
from rooms_gateway.settings import Resources, Settings, SettingsError, Upstream
from rooms_gateway.settings.resource_tables import errors_of
from rooms_gateway.settings.upstream import make_upstream
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.audit.writer import AuditLogError
from rooms_gateway.telemetry.traces import TracingError
from rooms_gateway.upstream.check import check_upstream
from rooms_gateway.upstream.credentials import CredentialError


class UpstreamCheckError(Exception):
    """The check at startup failed."""


_STARTUP_ERRORS: dict[type[Exception], int] = {
    BindError: exit_codes.CANNOT_LISTEN,
    UpstreamCheckError: exit_codes.UPSTREAM_CHECK_FAILED,
    CredentialError: exit_codes.NO_CREDENTIAL,
    PolicyError: exit_codes.NO_CREDENTIAL,
    TracingError: EXIT_USAGE,
    AuditLogError: EXIT_USAGE,
}

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

_METHOD = "acs.rooms.v1.RoomsService/CreateRoom"

logger = logging.getLogger(__name__)


def run(settings: Settings, read_resources: Callable[[], Resources] | None = None) -> int:
    """Run a gateway, print why it failed if it did, and return the exit code.

    `read_resources` is that of Gateway.
    """
    variables = (unused_proxy(each, os.environ) for each in _upstreams(settings))
    if variable := next(filter(None, variables), None):
        logger.warning(
            "%s is set, but connections to the Rooms service do not use it: pass --upstream-proxy",
            variable,
        )
    shutdown = ShutdownRequest()
    code, error = _run(settings, read_resources, shutdown)
    # Flush first, so that the final message is the last line.
    logs.flush()
    if error is not None:
        click.echo(f"rooms-gateway: {ended(str(error))}", err=True)
    by_sigterm = shutdown.first_signal is signal.SIGTERM
    return 0 if settings.exit_zero_on_sigterm and by_sigterm else code


def _run(
    settings: Settings,
    read_resources: Callable[[], Resources] | None,
    shutdown: ShutdownRequest,
) -> tuple[int, object]:
    try:
        manager = ServiceManager.of(os.environ)
        clean = event_loop.run(_serve(settings, read_resources, shutdown, manager))
    except tuple(_STARTUP_ERRORS) as error:
        return _STARTUP_ERRORS[type(error)], error
    except asyncio.CancelledError:
        if shutdown.forced:
            return exit_codes.FORCED, "shut down at once, because of a second signal"
        return exit_codes.NOT_STARTED, "shut down by a signal during startup"
    if not clean:
        return exit_codes.CALLS_ABORTED, "calls outlasted --drain-grace and were ended"
    return 0, None


def _upstreams(settings: Settings) -> list[Upstream | None]:
    """Return the upstream of each resource, without the content of its files."""
    if settings.resources is None:
        return [settings.upstream]
    return [make_upstream(each.upstream) for each in settings.resources.by_name.values()]


def unused_proxy(upstream: Upstream | None, environment: Mapping[str, str]) -> str | None:
    """Return the variable with a proxy that other programs would use; None if there is none."""
    variable = next((name for name in _PROXY_VARIABLES if environment.get(name)), None)
    if variable is None or upstream is None or upstream.route.proxy is not None:
        return None
    # Imported here: it is rarely needed, and imports an HTTP client.
    import urllib.request

    endpoint = upstream.endpoint
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined] # not in the stubs
    if is_loopback(endpoint.host) or bypass(endpoint.host, {"no": excepted}):
        return None
    return variable


async def _serve(
    settings: Settings,
    read_resources: Callable[[], Resources] | None,
    shutdown: ShutdownRequest,
    manager: ServiceManager,
) -> bool:
    """Run a gateway until `shutdown` is requested; return whether all calls in flight finished.

    Raises UpstreamCheckError, BindError, CredentialError, PolicyError, TracingError or
    AuditLogError if startup fails, and CancelledError if a signal ends startup or a second one ends
    the drain.
    """
    with shutdown.on_signals():
        if settings.check_upstream:
            await _check_upstreams(settings)
        async with (
            manager.watchdog(),
            Gateway(
                settings, request_shutdown=shutdown.request, read_resources=read_resources
            ) as gateway,
        ):
            shutdown.startup_complete = True
            # Objects made during startup stay, so the collector need not scan them again.
            gc.collect()
            gc.freeze()
            _print_ready(gateway)
            manager.notify("READY=1")
            await shutdown.wait()
            manager.notify("STOPPING=1")
    return gateway.stopped_cleanly


async def _check_upstreams(settings: Settings) -> None:
    """Check each resource. Raises UpstreamCheckError if one fails: the flag demands all of them."""
    if settings.upstream is not None:
        await _check_upstream(settings.upstream, settings.api_version)
    for each in settings.resources.by_name.values() if settings.resources is not None else ():
        logs.resource.set(each.name)
        try:
            with errors_of(each.name):
                upstream = read_upstream(each.upstream)
            await _check_upstream(upstream, each.terms.api_version)
        except (SettingsError, UpstreamCheckError) as error:
            raise UpstreamCheckError(f"resource {each.name}: {error}") from None
    logs.resource.set("")


async def _check_upstream(upstream: Upstream, api_version: str) -> None:
    """Log each result of the check. Raises UpstreamCheckError with the first that fails."""
    async for result in check_upstream(
        upstream.endpoint, upstream.credential, upstream.route, api_version
    ):
        if not result.passed:
            raise UpstreamCheckError(
                f"--check-upstream: {result.subject}: {result.description}. {result.next_step}"
            )
        logger.info("upstream check: %s: %s", result.subject, result.description)


def _print_ready(gateway: Gateway) -> None:
    """Print each address and, with an embedded emulator, commands to try."""
    for address in gateway.addresses:
        click.echo(f"rooms-gateway is ready on {address}")
    if gateway.emulator is not None:
        click.echo(f"in front of an emulator: {gateway.emulator.connection_string}")
        if gateway.emulator.faults.list():
            click.echo(f"with faults, fault-seed={gateway.emulator.faults.seed}")
        click.echo("try one of:")
        for command in _examples(gateway):
            click.echo(f"  {command}")
    sys.stdout.flush()


def _examples(gateway: Gateway) -> tuple[str, str]:
    """Return commands of grpcurl and buf that create a room."""
    address = gateway.addresses[0]
    sibling = Path(sys.executable).with_name("buf")
    buf = "buf" if shutil.which("buf") or not sibling.exists() else _shortest(sibling)
    plaintext = f"{buf} curl --http2-prior-knowledge --protocol grpc"
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        return (
            f"grpcurl -plaintext -d '{{}}' unix://{path} {_METHOD}",
            f"{plaintext} --unix-socket {path} -d '{{}}' http://localhost/{_METHOD}",
        )
    if gateway.certificates is None:
        return (
            f"grpcurl -plaintext -d '{{}}' {address} {_METHOD}",
            f"{plaintext} -d '{{}}' http://{address}/{_METHOD}",
        )
    # The gateway does not know the clients' files, so these names are placeholders.
    grpcurl, curl = "-cacert ca.pem", "--cacert ca.pem"
    if gateway.certificates.asks_clients:
        grpcurl += " -cert client.pem -key client.key"
        curl += " --cert client.pem --key client.key"
    return (
        f"grpcurl {grpcurl} -d '{{}}' {address} {_METHOD}",
        f"{buf} curl --protocol grpc {curl} -d '{{}}' https://{address}/{_METHOD}",
    )


def _shortest(path: Path) -> str:
    """Return `path` relative to the working directory, if it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
