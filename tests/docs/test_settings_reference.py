from __future__ import annotations

import click
import pytest
import reference_settings

from rooms_gateway.cli.serve.command import serve

PAGE = reference_settings.page(serve)
OPTIONS = [option for option in serve.params if isinstance(option, click.Option)]


def row_of(option: click.Option) -> str:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{option.opts[0]}`"))
    return row


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.name))
def test_every_flag_has_a_row_with_its_variables_and_meaning(option: click.Option) -> None:
    row = row_of(option)
    assert option.help
    assert option.help in row
    assert option.envvar
    assert all(f"`{variable}`" in row for variable in option.envvar)


@pytest.mark.parametrize(
    ("flag", "default"),
    [
        ("--api-version", "`2025-03-13`"),
        ("--listen", "`127.0.0.1:50051`"),
        ("--max-attempts", "`4`"),
        ("--reflection", "on"),
        ("--enable-legacy", "off"),
        ("--endpoint", ""),
    ],
)
def test_a_row_tells_the_default(flag: str, default: str) -> None:
    (option,) = (option for option in OPTIONS if flag in option.opts)
    assert row_of(option).split(" | ")[3].strip() == default


@pytest.mark.parametrize(
    ("flag", "key"),
    [
        ("--api-version", "`api-version`, string"),
        ("--listen", "`listen`, array of strings"),
        ("--max-attempts", "`max-attempts`, integer"),
        ("--drain-grace", "`drain-grace`, number"),
        ("--reflection", "`reflection`, boolean"),
        ("--config", ""),
    ],
)
def test_a_row_tells_the_key_in_the_file_and_its_type(flag: str, key: str) -> None:
    (option,) = (option for option in OPTIONS if flag in option.opts)
    assert row_of(option).split(" | ")[2].strip() == key
