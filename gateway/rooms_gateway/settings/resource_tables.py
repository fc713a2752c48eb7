"""The tables [resources.NAME] of the settings file: their rules, and the defaults they have.

No error repeats a value, because a value may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from rooms_gateway.settings.declaration import Setting, declared
from rooms_gateway.settings.errors import SettingsError
from rooms_gateway.settings.gateway import Settings
from rooms_gateway.settings.resources import Resources, ResourceSettings, ResourceTerms
from rooms_gateway.settings.upstream import UpstreamSettings, make_upstream
from rooms_gateway.suggestions import did_you_mean

PER_RESOURCE: tuple[Setting, ...] = tuple(
    each for each in (*declared(UpstreamSettings), *declared(Settings)) if each.per_resource
)
"""The settings that a table can have; those of the top level are its defaults."""

NEVER_SHARED = ("connection_string", "endpoint", "access_key_file", "access_key", "emulator")
"""Settings of the top level that belong to a single resource: rejected if there are tables."""

MAX_RESOURCES = 64
"""Each has connections, tasks, and series of metrics."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

_CREDENTIAL = frozenset(
    name for name in (each.name for each in PER_RESOURCE) if name.startswith("entra")
)
_OWN_CREDENTIAL = ("connection_string", "access_key_file", "entra")
_FLAG = re.compile(r"(?<![\w-])--(?=[a-z])")


def make_resources(tables: Mapping[str, Mapping[str, Any]], top: Mapping[str, Any]) -> Resources:
    """Return the resources that `tables` describe; both arguments have values by field.

    `top` are the values of the top level. Raises SettingsError with all errors.
    """
    errors = [
        f"--{name.replace('_', '-')} and [resources] name two upstreams: remove one of them"
        for name in NEVER_SHARED
        if top.get(name)
    ]
    if not tables:
        errors.append("resources: there is none: add a table [resources.NAME]")
    if len(tables) > MAX_RESOURCES:
        errors.append(f"resources: there are more than {MAX_RESOURCES}")
    resources: dict[str, ResourceSettings] = {}
    for name, table in tables.items():
        if _NAME.fullmatch(name) is None:
            errors.append(
                f"resources: {name[:63]!a} is not a name: use letters a-z, digits and dashes, 63 "
                "at most"
            )
            continue
        try:
            with errors_of(name):
                resources[name] = _resource(name, table, top)
        except SettingsError as error:
            errors += error.errors
    errors += _duplicates(resources)
    default = top.get("default_resource")
    if default is not None and default not in tables:
        hint = did_you_mean(default, tables)
        errors.append(f"--default-resource is not one of [resources]{hint}")
    if errors:
        raise SettingsError(errors)
    return Resources(resources, default)


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Let the errors of a SettingsError raised inside name the keys of a table, not flags."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(
            [f"resources.{name}: {_FLAG.sub('', each)}" for each in error.errors]
        ) from None


def _resource(name: str, table: Mapping[str, Any], top: Mapping[str, Any]) -> ResourceSettings:
    values = {key: value for key, value in _defaults(table, top).items() if key not in table}
    values |= table
    if not any(values.get(key) is not None for key in _OWN_CREDENTIAL):
        raise SettingsError(["no credential: set access-key-file, entra or connection-string"])
    given = UpstreamSettings(**_of(UpstreamSettings, values))
    # Without the content of files, for the rules among the values.
    make_upstream(given)
    terms = ResourceTerms(**_of(ResourceTerms, values))
    families = [each.family for each in terms.upstream_rate]
    if len(families) > len(set(families)):
        raise SettingsError(["upstream-rate: a family is given twice"])
    return ResourceSettings(name, given, terms)


def _defaults(table: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the top level that apply to a resource.

    Details of a credential or a proxy belong to that credential or proxy only.
    """
    excluded = {*NEVER_SHARED}
    if any(key in table for key in _OWN_CREDENTIAL):
        excluded |= _CREDENTIAL
    if "upstream_proxy" in table:
        excluded.add("upstream_proxy_credentials_file")
    names = {each.name for each in PER_RESOURCE} - excluded
    return {name: top[name] for name in names if name in top}


def _duplicates(resources: Mapping[str, ResourceSettings]) -> Iterator[str]:
    """Two names of one resource would pace its quota twice; most likely a table was copied."""
    first: dict[str, str] = {}
    for name, each in resources.items():
        upstream = make_upstream(each.upstream)
        if upstream is None:
            continue
        owner = first.setdefault(upstream.endpoint.origin, name)
        if owner != name:
            yield f"resources.{name}: the same endpoint as resources.{owner}"


def _of(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}
