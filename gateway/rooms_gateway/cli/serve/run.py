"""A gateway as a process: it runs until a signal, and ends with an exit code that says how."""

from __future__ import annotations

import asyncio
import gc
import os
import signal

import click

from rooms_gateway.app import Gateway
from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.serve import event_loop as loops
from rooms_gateway.cli.serve.greeting import say_ready
from rooms_gateway.cli.serve.systemd import ServiceManager
from rooms_gateway.cli.signals import ShutdownRequest
from rooms_gateway.server.auth.policy_file import PolicyError
from rooms_gateway.server.listeners import BindError
from rooms_gateway.settings import Settings
from rooms_gateway.telemetry import logs
from rooms_gateway.upstream.credentials import CredentialError


def run(settings: Settings, *, exit_zero_on_sigterm: bool) -> int:
    """Run a gateway to its end; return the exit code, and say on standard error why it is not 0."""
    stop = ShutdownRequest()
    code, complaint = _run(settings, stop)
    # Else the last calls would come after the last word on them.
    logs.flush()
    if complaint is not None:
        click.echo(f"rooms-gateway: {complaint}.", err=True)
    return 0 if exit_zero_on_sigterm and stop.first_signal is signal.SIGTERM else code


def _run(settings: Settings, stop: ShutdownRequest) -> tuple[int, object]:
    try:
        clean = loops.run(_serve(settings, stop, ServiceManager.of(os.environ)))
    except BindError as error:
        return exit_codes.CANNOT_LISTEN, error
    except (CredentialError, PolicyError) as error:
        return exit_codes.NO_CREDENTIAL, error
    except asyncio.CancelledError:
        if stop.forced:
            return exit_codes.FORCED, "stopped at once, as the second signal asked"
        return exit_codes.NOT_STARTED, "stopped before it served, as it was asked"
    if not clean:
        return exit_codes.CALLS_ABORTED, "calls outlasted --drain-grace and were ended"
    return 0, None


async def _serve(settings: Settings, stop: ShutdownRequest, manager: ServiceManager) -> bool:
    """Run a gateway until `stop` is asked for; return whether all calls in flight could finish.

    Raises BindError, CredentialError, PolicyError, and CancelledError when the start was
    ended or the stop cut short.
    """
    with stop.on_signals():
        async with manager.watching(), Gateway(settings, ask_to_stop=stop.request) as gateway:
            stop.startup_complete = True
            # What is there by now stays; the collector need not look through it again and again.
            gc.collect()
            gc.freeze()
            say_ready(gateway)
            manager.tell("READY=1")
            await stop.wait()
            manager.tell("STOPPING=1")
    return gateway.stopped_cleanly
