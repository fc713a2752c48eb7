"""The tables [resources.NAME] of the settings file: their rules, and the defaults they inherit."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import Finished, invoke
from support.several_resources import DEFAULTS, resources

from rooms_gateway.cli.serve.options import SETTINGS
from rooms_gateway.cli.serve.resource_file import ResourceFile, read_resources
from rooms_gateway.cli.serve.settings_file import parse
from rooms_gateway.settings import SettingsError
from rooms_gateway.settings.resource_tables import PER_RESOURCE
from rooms_gateway.upstream.credentials import EntraKind
from rooms_gateway.upstream.route import Proxy

KEY = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
EU = 'endpoint = "https://eu.example"\nentra = "default"\n'
US = 'endpoint = "https://us.example"\nentra = "default"\n'
BOTH = f"[resources.eu]\n{EU}[resources.us]\n{US}"


def serve(folder: Path, content: str, *arguments: str, **env: str) -> Finished:
    """Run `serve --config-test` with a file that only its owner can read."""
    path = folder / "gateway.toml"
    path.write_text(content)
    path.chmod(0o600)
    return invoke("serve", "--config", path, "--config-test", *arguments, env=env)


WRONG = {
    "an unknown key": (
        f"[resources.eu]\n{EU}endpont = 'x'",
        "resources.eu.endpont: unknown setting: did you mean endpoint?",
    ),
    "a setting of the gateway": (
        f"[resources.eu]\n{EU}listen = ['127.0.0.1:0']",
        "resources.eu.listen: unknown setting",
    ),
    "a wrong type": (f"[resources.eu]\n{EU}upstream-ca = 1", "resources.eu.upstream-ca: must be a"),
    "a wrong choice": (
        f"[resources.eu]\n{EU}api-version = '2020'",
        "resources.eu.api-version: '2020' is not one of",
    ),
    "a wrong range": (
        f"[resources.eu]\n{EU}upstream-warm-connections = -1",
        "resources.eu.upstream-warm-connections: -1 is not in the range x>=0",
    ),
    "a family twice": (
        f"[resources.eu]\n{EU}upstream-rate = ['room-writes=1', 'room-writes=2']",
        "resources.eu: upstream-rate: a family is given twice",
    ),
    "no credential": (
        "[resources.eu]\nendpoint = 'https://eu.example'",
        "resources.eu: no credent",
    ),
    "no endpoint": ("[resources.eu]\nentra = 'default'", "resources.eu: "),
    "an invalid endpoint": (
        "[resources.eu]\nendpoint = 'ftp://x'\nentra = 'default'",
        "resources.eu: endpoint: ",
    ),
    "two credentials": (
        f"[resources.eu]\n{EU}access-key-file = 'x'",
        "resources.eu: access-key-file and entra are 2 credentials",
    ),
    "no table": ("resources = 1", "resources: must be tables [resources.NAME]"),
    "an array": ("[[resources]]\nname = 'eu'", "resources: must be tables [resources.NAME]"),
    "an empty list": ("[resources]", "resources: there is none: add a table [resources.NAME]"),
    "a value for a table": ("[resources]\neu = 1", "resources.eu: must be a table"),
    "an upper-case name": (f"[resources.EU]\n{EU}", "resources: 'EU' is not a name"),
    "an empty name": (f"[resources.'']\n{EU}", "resources: '' is not a name"),
    "a control character": (f'[resources."e\\u001b"]\n{EU}', r"resources: 'e\x1b' is not a name"),
    "a copied table": (
        f"[resources.eu]\n{EU}[resources.us]\n{EU}",
        "resources.us: the same endpoint as resources.eu",
    ),
    "an unknown default": (
        f"default-resource = 'usa'\n{BOTH}",
        "--default-resource is not one of [resources]: did you mean us?",
    ),
    "a default without tables": (
        f"default-resource = 'eu'\n{EU}",
        "--default-resource needs tables [resources.NAME]",
    ),
}


@pytest.mark.proves("S94")
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_table_is_an_error(tmp_path: Path, kind: str) -> None:
    content, sentence = WRONG[kind]
    done = serve(tmp_path, content)
    assert done.code == 2
    assert sentence in done.err


SINGLE = {
    "endpoint": ("endpoint = 'https://x.example'\n", {}),
    "access-key-file": ("access-key-file = 'x'\n", {}),
    "connection-string": (
        f"connection-string = 'endpoint=https://x.example;accesskey={KEY}'\n",
        {},
    ),
    "access-key": ("", {"ROOMS_GATEWAY_ACCESS_KEY": KEY}),
    "emulator": ("emulator = true\n", {}),
    "connection-string of the host": (
        "",
        {
            "COMMUNICATION_CONNECTION_STRING": f"endpoint=https://x.example;accesskey={KEY}",
        },
    ),
}


@pytest.mark.proves("S94")
@pytest.mark.parametrize("name", SINGLE)
def test_top_level_upstreams_are_errors(tmp_path: Path, name: str) -> None:
    content, env = SINGLE[name]
    done = serve(tmp_path, content + BOTH, **env)
    assert done.code == 2
    flag = name.partition(" ")[0]
    assert f"--{flag} and [resources] name two upstreams: remove one of them" in done.err
    assert KEY not in done.err


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    done = serve(tmp_path, f"max-attempts = 0\n[resources.eu]\n{EU}a = 1\n[resources.b]\nc = 1")
    assert [line.split(" ")[1] for line in done.err.splitlines()[:3]] == [
        f"{tmp_path}/gateway.toml:",
        f"{tmp_path}/gateway.toml:",
        f"{tmp_path}/gateway.toml:",
    ]
    for key in ("resources.eu.a", "resources.b.c", "max-attempts"):
        assert key in done.err


@pytest.mark.proves("S66")
def test_a_key_in_a_table_needs_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    text = f"endpoint=https://eu.example;accesskey={KEY}"
    path.write_text(f"[resources.eu]\nconnection-string = '{text}'")
    path.chmod(0o644)
    done = invoke("serve", "--config", path, "--config-test")
    assert done.code == 2
    assert "resources.eu.connection-string: a secret in a file that all users can read" in done.err
    path.chmod(0o600)
    assert invoke("serve", "--config", path, "--config-test").out == "settings are fine\n"


@pytest.mark.proves("S66")
def test_config_show_masks_keys_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    text = f"endpoint=https://eu.example;accesskey={KEY}"
    proxy = "http://proxy.example:3128"
    path.write_text(
        f"[resources.eu]\nconnection-string = '{text}'\nupstream-proxy = '{proxy}'\n"
        f"upstream-rate = ['reads=5']\n[resources.us]\n{US}"
    )
    path.chmod(0o600)
    done = invoke("config", "show", "--config", path)
    assert done.code == 0
    assert KEY not in done.out
    assert done.out.count("Resources:") == 1
    shown = json.loads(invoke("config", "show", "--config", path, "--json").out)
    assert shown["resources.eu.connection-string"]["value"] == "***"
    assert shown["resources.eu.upstream-proxy"]["value"] == proxy
    assert shown["resources.eu.upstream-rate"]["value"] == ["reads=5"]
    assert shown["resources.us.endpoint"] == {
        "value": "https://us.example",
        "kind": "file",
        "name": str(path),
    }


def test_config_test_checks_the_files_of_each(tmp_path: Path) -> None:
    """`serve` starts without a resource that has a bad file; the test reports it."""
    table = "endpoint = 'https://{0}.example'\naccess-key-file = '/no/such/{0}'\n"
    content = "".join(f"[resources.{name}]\n{table.format(name)}" for name in ("eu", "us"))
    done = serve(tmp_path, content)
    assert done.code == 2
    for name in ("eu", "us"):
        assert f"resources.{name}: access-key-file: cannot read /no/such/{name}" in done.err
    assert invoke("config", "show", "--config", tmp_path / "gateway.toml").code == 0


# --- defaults -------------------------------------------------------------------------------------


def one(table: dict[str, Any], **top: Any) -> Any:
    return resources({"eu": {"endpoint": "https://eu.example", **table}}, **top).by_name["eu"]


def test_the_top_level_has_the_defaults() -> None:
    eu = one({"entra": EntraKind.DEFAULT}, api_version="2024-04-15", upstream_warm_connections=7)
    assert (eu.terms.api_version, eu.terms.upstream_warm_connections) == ("2024-04-15", 7)
    eu = one({"entra": EntraKind.DEFAULT, "api_version": "2023-06-14"}, api_version="2024-04-15")
    assert eu.terms.api_version == "2023-06-14"


def test_one_identity_serves_all_resources() -> None:
    eu = one({}, entra=EntraKind.MANAGED_IDENTITY, entra_client_id="shared")
    assert (eu.upstream.entra, eu.upstream.entra_client_id) == ("managed-identity", "shared")
    eu = one({"entra_client_id": "mine"}, entra=EntraKind.MANAGED_IDENTITY, entra_client_id="x")
    assert (eu.upstream.entra, eu.upstream.entra_client_id) == ("managed-identity", "mine")


@pytest.mark.proves("S94")
@pytest.mark.parametrize("own", [{"access_key_file": Path("key")}, {"entra": EntraKind.DEFAULT}])
def test_a_credential_inherits_no_details(own: dict[str, Any]) -> None:
    eu = one(own, entra=EntraKind.CLIENT_SECRET, entra_client_id="x", entra_tenant_id="y")
    assert eu.upstream.entra is own.get("entra")
    assert eu.upstream.entra_client_id is eu.upstream.entra_tenant_id is None


@pytest.mark.proves("S94")
def test_a_proxy_inherits_no_password() -> None:
    top = {
        "upstream_proxy": Proxy("one.example", 3128),
        "upstream_proxy_credentials_file": Path("password"),
    }
    shared = one({"entra": EntraKind.DEFAULT}, **top)
    assert shared.upstream.upstream_proxy_credentials_file == Path("password")
    eu = one({"entra": EntraKind.DEFAULT, "upstream_proxy": Proxy("two.example", 1)}, **top)
    assert eu.upstream.upstream_proxy_credentials_file is None


def test_resources_are_limited() -> None:
    tables = {
        f"r{number}": {"endpoint": f"https://r{number}.example", "entra": EntraKind.DEFAULT}
        for number in range(65)
    }
    with pytest.raises(SettingsError, match="more than 64"):
        resources(tables)


# --- the file, read again -------------------------------------------------------------------------


def test_flags_precede_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f"api-version = '2023-06-14'\ndefault-resource = 'eu'\n{BOTH}")
    file = ResourceFile(path, {"api_version": "2024-04-15"})
    found = file.read()
    assert found.by_name["eu"].terms.api_version == "2024-04-15"
    assert found.default == "eu"
    assert found == file.read()


@pytest.mark.proves("S93")
@pytest.mark.parametrize(
    "content", ["", "not toml", "[resources]", BOTH + "a = 1", "max-attempts = 'x'\n" + BOTH, EU]
)
def test_an_invalid_file_is_one_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"gateway\.toml|resources"):
        ResourceFile(path, {}).read()
    path.unlink()
    with pytest.raises(ValueError, match="No such file"):
        ResourceFile(path, {}).read()


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab:/=0' ", max_size=8)
KEYS = st.sampled_from([each.key for each in PER_RESOURCE] + ["listen", "x", ""])


@given(st.dictionaries(st.text("ab-A.'", max_size=3), st.dictionaries(KEYS, SCALARS, max_size=4)))
def test_any_table_is_read_or_an_error(tables: dict[str, dict[str, Any]]) -> None:
    """No content raises any other error."""
    text = "[resources]\n"
    for name, table in tables.items():
        text += f"[resources.{json.dumps(name)}]\n"
        text += "".join(
            f"{json.dumps(key)} = {json.dumps(value)}\n"
            for key, value in table.items()
            if value is not None
        )
    contents = parse(text.encode(), SETTINGS, private=True)
    assert contents.resources is not None
    assert contents.resources.keys() == tables.keys()
    with suppress(SettingsError):
        read_resources(contents, DEFAULTS)
