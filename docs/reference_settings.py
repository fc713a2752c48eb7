"""The settings reference: every flag of `rooms-gateway serve`, from the command itself."""

from collections.abc import Iterator, Sequence

import click
from reference_markdown import table

from rooms_gateway.cli.serve.settings_file import toml_type
from rooms_gateway.cli.serve.sources import Setting

_PREFACE = """\
# Settings reference

Generated from the options of `rooms-gateway serve` by `make generate`: change them in
`gateway/cli/serve.py`.

A flag goes before its environment variable, that before the file of `--config`, and that before the
default. Where a setting can be given more than once, the variable holds all of them, separated by
spaces. `rooms-gateway config show` prints what is in effect and where each value comes from; see
[Configure the gateway](../how-to/configure.md).
"""


def page(command: click.Command) -> str:
    """Return the page of all options of `command`."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    return "\n".join([_PREFACE, *_table(options)]).rstrip() + "\n"


def _table(options: Sequence[click.Option]) -> Iterator[str]:
    return table(
        ("Flag", "Environment variable", "Key in the TOML file", "Default", "Meaning"),
        (
            (_flag(each), _variables(each), _key(each), _default(each), each.help or "")
            for each in options
        ),
    )


def _flag(option: click.Option) -> str:
    names = "`, `".join((*option.opts, *option.secondary_opts))
    if option.is_flag:
        return f"`{names}`"
    if isinstance(option.type, click.Choice):
        return f"`{names}` {' or '.join(f'`{choice}`' for choice in option.type.choices)}"
    return f"`{names}` {option.metavar or option.type.name.upper().replace(' RANGE', '')}"


def _variables(option: click.Option) -> str:
    names = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
    return "<br>".join(f"`{name}`" for name in names)


def _key(option: click.Option) -> str:
    if not isinstance(option, Setting) or not option.in_file:
        return ""
    return f"`{option.key}`, {toml_type(option)}"


def _default(option: click.Option) -> str:
    # What click shows, since the default itself may stand for "none was given".
    value = option.to_info_dict()["default"]
    if option.is_flag:
        return "on" if value is True else "off"
    if isinstance(value, list | tuple):
        return " ".join(f"`{each}`" for each in value)
    return f"`{value}`" if isinstance(value, str | int | float) else ""
