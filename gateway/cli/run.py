"""A gateway as a process: it runs until a signal, and ends with an exit code that says how."""

from __future__ import annotations

import asyncio
import os
import signal

import click

from gateway import app, loops
from gateway.callers.policy_file import PolicyUnusable
from gateway.cli import exit_codes
from gateway.cli.greeting import say_ready
from gateway.credentials import CredentialUnusable
from gateway.listen import BindError
from gateway.settings import Settings
from gateway.signals import Stop
from gateway.systemd import ServiceManager
from gateway.telemetry import logs


def run(settings: Settings, *, exit_zero_on_sigterm: bool) -> int:
    """Run a gateway to its end; return the exit code, and say on standard error why it is not 0."""
    stop = Stop()
    code, complaint = _run(settings, stop)
    # Else the last calls would come after the last word on them.
    logs.flush()
    if complaint is not None:
        click.echo(f"rooms-gateway: {complaint}.", err=True)
    return 0 if exit_zero_on_sigterm and stop.began_with is signal.SIGTERM else code


def _run(settings: Settings, stop: Stop) -> tuple[int, object]:
    try:
        manager = ServiceManager.of(os.environ)
        clean = loops.run(app.serve(settings, stop, say_ready, manager))
    except BindError as error:
        return exit_codes.CANNOT_LISTEN, error
    except (CredentialUnusable, PolicyUnusable) as error:
        return exit_codes.NO_CREDENTIAL, error
    except asyncio.CancelledError:
        if stop.cut_short:
            return exit_codes.CUT_SHORT, "stopped at once, as the second signal asked"
        return exit_codes.NOT_STARTED, "stopped before it served, as it was asked"
    if not clean:
        return exit_codes.CALLS_CUT, "calls outlasted --drain-grace and were ended"
    return 0, None
