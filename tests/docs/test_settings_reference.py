"""docs/reference/settings.md: a row for each setting."""

from __future__ import annotations

import pytest
import reference_settings

from rooms_gateway.cli.serve.options import SETTINGS
from rooms_gateway.settings import Group, Setting

PAGE = reference_settings.page(SETTINGS)


def cells_of(setting: Setting) -> list[str]:
    (row,) = (line for line in PAGE.splitlines() if f" | `{setting.variables[0]}`" in line)
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def by_key(key: str) -> Setting:
    (setting,) = (each for each in SETTINGS if each.key == key)
    return setting


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_row_has_flags_variables_and_meaning(setting: Setting) -> None:
    flag, variables, *_, meaning = cells_of(setting)
    assert all(f"`{each}`" in flag for each in setting.flags)
    assert all(f"`{each}`" in variables for each in setting.variables)
    assert meaning == setting.help.replace("|", r"\|")


def test_the_page_has_a_table_per_group() -> None:
    titles = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")]
    assert titles == [*Group]


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("api-version", "`2025-03-13`"),
        ("listen", "`127.0.0.1:50051`"),
        ("max-attempts", "`4`"),
        ("socket-mode", "`0660`"),
        ("log-level", "`info`"),
        ("reflection", "on"),
        ("enable-legacy", "off"),
        ("endpoint", ""),
    ],
)
def test_row_has_the_default(key: str, default: str) -> None:
    assert cells_of(by_key(key))[3] == default


@pytest.mark.parametrize(
    ("key", "cell"),
    [
        ("api-version", "`api-version`, string"),
        ("listen", "`listen`, array of strings"),
        ("max-attempts", "`max-attempts`, integer"),
        ("drain-grace", "`drain-grace`, number"),
        ("socket-mode", "`socket-mode`, string"),
        ("reflection", "`reflection`, boolean"),
        ("config", ""),
    ],
)
def test_row_has_the_file_key_and_its_type(key: str, cell: str) -> None:
    assert cells_of(by_key(key))[2] == cell
