"""`rooms-gateway check`: whether the gateway can reach the Rooms service, and if not, why."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rooms_gateway.cli.interrupt import exit_on_interrupt
from rooms_gateway.cli.serve import event_loop
from rooms_gateway.cli.serve.command import load
from rooms_gateway.cli.serve.options import CONFIG_TEST, SettingsCommand, setting_options
from rooms_gateway.cli.serve.sources import SettingsContext
from rooms_gateway.settings import ResourceSettings, Settings, SettingsError, Upstream
from rooms_gateway.settings.resource_tables import errors_of

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
    up the name, connects, and sends one signed request that changes nothing; to each resource, if
    there are several. Exits with 0 if every step passes, with 1 if one fails, and with 2 if serve
    would reject the settings.
    """
    settings = load(context)
    if settings.embeds_emulator:
        found = SettingsContext.of(context)
        found.add_error("--emulator needs no check: pass the endpoint of the Rooms service")
        found.exit_with_errors(context)
    # The results have the causes already.
    logging.getLogger("rooms_gateway").addHandler(logging.NullHandler())
    checks = event_loop.run(_checks(settings, echo=not as_json))
    passed = all(each.passed for each in checks)
    if as_json:
        objects = {each.name: each.as_json() for each in checks}
        named = settings.resources is not None
        click.echo(json.dumps({"passed": passed, "resources": objects} if named else objects[""]))
    sys.exit(0 if passed else 1)


@dataclass(frozen=True, slots=True)
class Check:
    """The results for one resource."""

    name: str
    """Empty if it is the only one, without a name."""
    endpoint: str | None
    """None if the files of the resource cannot be read."""
    results: list[CheckResult]

    @property
    def passed(self) -> bool:
        """Whether each step passed."""
        return all(each.passed for each in self.results)

    def as_json(self) -> dict[str, object]:
        """Return the object that --json prints."""
        steps = [
            {
                "step": result.subject,
                "passed": result.passed,
                "description": result.description,
                "next": result.next_step,
            }
            for result in self.results
        ]
        return {"endpoint": self.endpoint, "passed": self.passed, "steps": steps}


async def _checks(settings: Settings, *, echo: bool) -> list[Check]:
    if settings.upstream is not None:
        return [await _check("", settings.upstream, settings.api_version, echo=echo)]
    checks = []
    for each in settings.resources.by_name.values() if settings.resources is not None else ():
        if echo:
            click.echo(f"resource {each.name}:")
        checks.append(await _check_named(each, echo=echo))
    return checks


async def _check_named(resource: ResourceSettings, *, echo: bool) -> Check:
    # Imported here, and below: `--help` needs none of it.
    from rooms_gateway.resources.upstream_files import read_upstream
    from rooms_gateway.upstream.check import CheckResult

    try:
        with errors_of(resource.name):
            upstream = read_upstream(resource.upstream)
    except SettingsError as error:
        result = CheckResult("files", False, str(error), "Correct the settings file, or the file.")
        if echo:
            click.echo(_as_text(result))
        return Check(resource.name, None, [result])
    return await _check(resource.name, upstream, resource.terms.api_version, echo=echo)


async def _check(name: str, upstream: Upstream, api_version: str, *, echo: bool) -> Check:
    from rooms_gateway.upstream.check import check_upstream

    results = []
    async for result in check_upstream(
        upstream.endpoint, upstream.credential, upstream.route, api_version
    ):
        results.append(result)
        if echo:
            click.echo(_as_text(result))
    return Check(name, upstream.endpoint.origin, results)


def _as_text(result: CheckResult) -> str:
    verdict = "passed" if result.passed else "FAILED"
    line = f"{verdict}  {result.subject:<10}  {result.description}"
    return f"{line}\n        {'next':<10}  {result.next_step}" if result.next_step else line
