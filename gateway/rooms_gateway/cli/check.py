"""`rooms-gateway check`: whether the gateway can reach the Rooms service, and if not, why."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from rooms_gateway.cli.interrupt import exit_on_interrupt
from rooms_gateway.cli.serve import event_loop
from rooms_gateway.cli.serve.command import load
from rooms_gateway.cli.serve.options import CONFIG_TEST, SettingsCommand, setting_options
from rooms_gateway.cli.serve.sources import SettingsContext
from rooms_gateway.settings import Settings, Upstream

if TYPE_CHECKING:
    from rooms_gateway.upstream.check import CheckResult


@click.command(
    cls=SettingsCommand,
    params=[option for option in setting_options() if option.name != CONFIG_TEST.name],
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
@exit_on_interrupt()
def check(context: click.Context, /, *, as_json: bool, **_settings: Any) -> None:
    """Check the connection to the Rooms service and the credential, step by step.

    Takes the flags of serve, and reads the environment and the settings file as serve does. Looks
    up the name, connects, and sends one signed request that changes nothing. Exits with 0 if every
    step passes, with 1 if one fails, and with 2 if serve would reject the settings.
    """
    settings = load(context)
    if settings.upstream is None:
        found = SettingsContext.of(context)
        found.add_error("--emulator needs no check: pass the endpoint of the Rooms service")
        found.exit_with_errors(context)
    # The results have the causes already.
    logging.getLogger("rooms_gateway").addHandler(logging.NullHandler())
    results = event_loop.run(_results(settings, settings.upstream, echo=not as_json))
    passed = all(result.passed for result in results)
    if as_json:
        click.echo(_as_json(settings.upstream, results, passed=passed))
    sys.exit(0 if passed else 1)


async def _results(settings: Settings, upstream: Upstream, *, echo: bool) -> list[CheckResult]:
    # Imported here: `--help` needs none of it.
    from rooms_gateway.upstream.check import check_upstream

    results = []
    async for result in check_upstream(
        upstream.endpoint, upstream.credential, upstream.route, settings.api_version
    ):
        results.append(result)
        if echo:
            click.echo(_as_text(result))
    return results


def _as_text(result: CheckResult) -> str:
    verdict = "passed" if result.passed else "FAILED"
    line = f"{verdict}  {result.subject:<10}  {result.description}"
    return f"{line}\n        {'next':<10}  {result.next_step}" if result.next_step else line


def _as_json(upstream: Upstream, results: list[CheckResult], *, passed: bool) -> str:
    steps = [
        {
            "step": result.subject,
            "passed": result.passed,
            "description": result.description,
            "next": result.next_step,
        }
        for result in results
    ]
    return json.dumps({"endpoint": upstream.endpoint.origin, "passed": passed, "steps": steps})
