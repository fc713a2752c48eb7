"""`rooms-gateway serve`: the gateway itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource

from rooms_gateway.cli.serve.options import SettingsCommand, setting_options
from rooms_gateway.cli.serve.resource_file import ResourceFile, read_resources
from rooms_gateway.cli.serve.sources import SettingsContext
from rooms_gateway.settings import (
    Resources,
    Settings,
    SettingsError,
    Upstream,
    UpstreamFiles,
    UpstreamSettings,
    make_upstream,
)
from rooms_gateway.settings.resource_tables import errors_of
from rooms_gateway.upstream.endpoint import Endpoint

GRPC_EXPERIMENTS = "-event_engine_client,-event_engine_listener"
"""Saves a tenth of the CPU time per call: see docs/decisions/0002-hot-path.md."""

_INVALID_UPSTREAM = Upstream.with_key(Endpoint("https", "upstream.invalid", 443), b"")
"""Stands for an upstream with errors, while the other settings are checked."""


@click.command(cls=SettingsCommand, params=setting_options())
@click.pass_context
def serve(context: click.Context, /, *, config_test: bool, **_settings: Any) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Precedence, highest first: flag, environment variable, file (--config), default. Prints
    `rooms-gateway is ready on ADDRESS` for each listener once it serves. Exit codes: 0 after a
    graceful shutdown, 1 if a second signal forced it, 2 if a setting is invalid, 3 if an address
    cannot be bound, 4 if no Entra ID token or no key set for callers' tokens can be obtained, 5 if
    calls in flight outlasted --drain-grace and were ended, 6 if it was stopped before it served, 7
    if --check-upstream failed.
    """
    settings = load(context, test=config_test)
    if config_test:
        click.echo("settings are fine")
        return

    # grpc reads it at first use. A value from the operator has precedence.
    os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
    # Imported here: `--help` and `--config-test` must not import grpc.
    from rooms_gateway.cli.serve.run import run
    from rooms_gateway.telemetry import logs

    logs.configure(settings.log_level, settings.log_format)
    file = ResourceFile.of(context)
    sys.exit(run(settings, None if file is None else file.read))


def load(context: click.Context, *, test: bool = False) -> Settings:
    """Return the settings of `context` after all checks; with errors, print them and exit.

    The files of named resources are checked for a `test` only: the gateway starts without a
    resource that has a bad one.
    """
    # Imported here: `--help` needs neither TLS nor policies.
    from rooms_gateway.cli.serve.files import check_files, check_system_authorities, check_tracing
    from rooms_gateway.resources.upstream_files import read_upstream_files

    found, values = SettingsContext.of(context), context.params
    given = UpstreamSettings(**_of(UpstreamSettings, values))
    upstream: Upstream | None = _INVALID_UPSTREAM
    resources = settings = None
    if found.contents.resources is not None:
        upstream, resources = None, Resources({})
        with found.collect_errors(context):
            resources = read_resources(found.contents, values)
        if test:
            for each in resources.by_name.values():
                with found.collect_errors(context), errors_of(each.name):
                    read_upstream_files(each.upstream)
    else:
        files = UpstreamFiles()
        if not given.emulator:
            with found.collect_errors(context):
                files = read_upstream_files(given)
        with found.collect_errors(context):
            if given.emulator:
                _reject_second_upstream(context)
            upstream = make_upstream(
                given, files, [name for name in os.environ if os.environ[name]]
            )
    with found.collect_errors(context):
        check_files(**values)
    with found.collect_errors(context):
        settings = Settings(upstream=upstream, resources=resources, **_of(Settings, values))
    with found.collect_errors(context):
        check_system_authorities(os.environ)
    if values["traces"]:
        with found.collect_errors(context):
            check_tracing(os.environ)
    if found.errors or settings is None:
        found.exit_with_errors(context)
    return settings


def _of(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that are fields of the dataclass `kind`."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


def _reject_second_upstream(context: click.Context) -> None:
    """Raise SettingsError if the source of `--emulator` names another upstream, or a flag does.

    An upstream in the environment is ignored, so that --emulator can override it.
    """
    sources = {ParameterSource.COMMANDLINE}
    if context.get_parameter_source("emulator") is ParameterSource.DEFAULT_MAP:
        sources.add(ParameterSource.DEFAULT_MAP)
    flags = [
        name.replace("_", "-")
        for name in ("connection_string", "endpoint", "access_key_file", "entra")
        if context.get_parameter_source(name) in sources
    ]
    if flags:
        raise SettingsError(
            [f"--emulator and --{flag} name two upstreams: pass only one" for flag in flags]
        )
