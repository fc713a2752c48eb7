"""Invalid policies: all errors at once, by key and line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.commands import run, started
from support.policies import NEWLINE_FREE, PolicyFiles, Signer, jwt_table

from rooms_gateway.__main__ import main
from rooms_gateway.cli.serve.files import check_files
from rooms_gateway.server.auth.policy_check import policy_warnings
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy
from rooms_gateway.settings import SettingsError

ERRORS: dict[str, tuple[str, list[str]]] = {
    "empty": ("", ["callers: there is none: add [callers.NAME]"]),
    "not TOML": ("a = [", ["not TOML: Invalid value (at end of document)"]),
    "unknown keys": (
        'token-file = "t"\n[callers.a]\nrole = "reader"\nurl = "x"\ndns = "a.example"',
        [
            "token-file: unknown key: did you mean tokens-file?",
            "callers.a.url: unknown key: did you",
        ],
    ),
    "unknown roles and methods": (
        (
            '[callers.a]\nrole = "root"\nmethods = ["acs.rooms.v1.RoomsService/GetRom", '
            '"GetRoom"]\n'
            'dns = "a.example"'
        ),
        [
            "callers.a.role: must be one of reader, writer, issuer, admin",
            (
                "callers.a.methods: unknown method 'acs.rooms.v1.RoomsService/GetRom': did you "
                "mean acs.rooms.v1.RoomsService/GetRoom?"
            ),
            "callers.a.methods: unknown method 'GetRoom': write package.Service/Method",
        ],
    ),
    "no identity": (
        '[callers.a]\nrole = "reader"',
        ["callers.a: no identity: set uri, dns, subject or socket, or add a token for it"],
    ),
    "no permissions": (
        '[callers.a]\ndns = "a"',
        ["callers.a: no permissions: set role, methods or both"],
    ),
    "an identity of two callers": (
        (
            '[callers.a]\nrole = "reader"\ndns = "x.example"\nsocket = true\n'
            '[callers.b]\nrole = "admin"\ndns = "X.example"\nsocket = true'
        ),
        [
            "callers.b.dns: 'X.example' belongs to callers.a",
            "callers.b.socket: only one caller can",
        ],
    ),
    "malformed identities": (
        '[callers.a]\nrole = "reader"\ndns = "*.example"\nuri = "contoso"\nsubject = ""',
        [
            "callers.a.dns: '*.example' is not a host name without wildcards",
            "callers.a.uri: 'contoso' is not a URI",
            "callers.a.subject: '' is not text",
            "callers.a.subject: requires a table [jwt]",
        ],
    ),
    "values of a wrong type": (
        (
            'tokens-file = ""\n[jwt]\nissuer = 5\n'
            '[callers.a]\nrole = ["reader"]\n[callers.b]\nmethods = [1]\n[callers.c]\nuri = {}\n'
            '[callers.d]\nsocket = "yes"\nsoket = true\n[callers]\ne = 5'
        ),
        [
            "tokens-file: must be the path of a file",
            "jwt.issuer: must be a string",
            "callers.a.role: must be a string",
            "callers.b.methods[0]: must be a string",
            "callers.c.uri: must be a string or an array of strings",
            "callers.d.socket: must be true or false",
            "callers.d.soket: unknown key: did you mean socket?",
            "callers.e: must be a table",
        ],
    ),
    "resources that cannot be": (
        (
            '[callers.a]\nrole = "reader"\ndns = "a"\nresources = []\n'
            '[callers.b]\nrole = "reader"\ndns = "b"\nresources = "EU"\n'
            '[callers.c]\nrole = "reader"\ndns = "c"\nresources = "eu"\ndefault-resource = "us"\n'
            '[callers.d]\nrole = "reader"\ndns = "d"\nresources = 1\n'
            '[callers.e]\nrole = "reader"\ndns = "e"\ndefault-resource = "*"\n'
        ),
        [
            "callers.a.resources: there is none: leave it out to allow all resources",
            "callers.b: 'EU' is not a resource: use letters a-z, digits, dashes",
            "callers.c.default-resource: must be one of its resources",
            "callers.d.resources: must be a string or an array of strings",
            "callers.e: '*' is not a resource: use letters a-z, digits, dashes",
        ],
    ),
    "no table of callers": ("callers = 5\ntokens-file = 5", ["callers: must be a table"]),
    "a name unsafe for logs": (
        '[callers."a\\nb"]\nrole = "reader"\ndns = "a"',
        ["callers.'a\\nb': a name has letters"],
    ),
    "an incomplete [jwt]": (
        (
            '[jwt]\nkeys-url = "http://issuer.example"\nkeys-file = "gone"\n'
            '[callers.a]\nrole = "reader"\nsubject = "a"'
        ),
        [
            "jwt.issuer: required: the claim iss",
            "jwt.audience: required: the claim aud",
            "jwt: set either keys-file or keys-url",
            "jwt.keys-url: must begin with https://",
            "jwt.keys-file: cannot read",
        ],
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_all_errors_are_reported_by_key(files: PolicyFiles, kind: str) -> None:
    text, expected = ERRORS[kind]
    files.write(text)
    with pytest.raises(PolicyError) as raised:
        read_policy(files.policy)
    errors = raised.value.errors
    assert len(errors) == len(expected)
    for error, sentence in zip(sorted(errors), sorted(expected), strict=True):
        assert error.startswith(f"{files.policy}: {sentence}")
        assert NEWLINE_FREE.fullmatch(error)


TOKENS = """
# tokens
reader canary-canary-canary
reader canary
reader canary-canary-canary canary
reader canary"canary"canary"canary
reader sha256:canary
unknown canary-canary-canary-canary
unknown canary-canary-canary
"""


@pytest.mark.proves("S29")
def test_token_errors_name_the_line_not_the_token(files: PolicyFiles) -> None:
    files.write('tokens-file = "tokens"\n[callers.reader]\nrole = "reader"')
    (files.folder / "tokens").write_text(TOKENS)
    (files.folder / "tokens").chmod(0o600)
    with pytest.raises(PolicyError) as raised:
        read_policy(files.policy)
    where = f"{files.folder}/tokens, line"
    message = str(raised.value)
    for sentence in (
        f"{where} 4: the token is too short",
        f"{where} 5: not a caller's name and a token",
        f"{where} 6: the token has characters",
        f"{where} 7: a SHA-256 has 64 hexadecimal digits",
        f"{where} 9: another caller has the same token",
        "has a token for 'unknown', no caller",
    ):
        assert sentence in message
    assert len(raised.value.errors) == 6
    assert "canary" not in message


@pytest.mark.proves("S26")
@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [("tokens", 0o644, "is readable by all users"), ("policy.toml", 0o646, "is writable by all")],
)
def test_files_open_to_all_users_are_rejected(
    files: PolicyFiles, name: str, mode: int, expected: str
) -> None:
    files.write('tokens-file = "tokens"\n[callers.a]\nrole = "reader"')
    files.write_tokens({"a": "canary-canary-canary"})
    (files.folder / name).chmod(mode)
    with pytest.raises(PolicyError, match=expected):
        read_policy(files.policy)


CERTIFICATES = '[callers.a]\nrole = "reader"\ndns = "a.example"\n'
SOCKET = '[callers.b]\nrole = "reader"\nsocket = true\n'


def test_policy_without_reachable_caller(files: PolicyFiles) -> None:
    files.write(CERTIFICATES + SOCKET)
    with pytest.raises(SettingsError, match=r"no caller of .* can be authenticated here"):
        check_files(caller_policy=files.policy, listen=("127.0.0.1:0",))
    check_files(caller_policy=files.policy, listen=(f"unix:{files.folder}/socket",))


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"listen": ("0.0.0.0:1", "127.0.0.1:1"), "encrypted": False, "asks_clients": False}, 3),
        ({"listen": ("0.0.0.0:1", "unix:/s"), "encrypted": True, "asks_clients": True}, 0),
        ({"listen": ("unix:/s",), "encrypted": False, "asks_clients": False}, 1),
    ],
)
def test_warnings_of_a_policy(files: PolicyFiles, options: dict[str, Any], count: int) -> None:
    """Callers that no listener can authenticate and tokens in plaintext are warned about."""
    subject = '[callers.c]\nrole = "reader"\nsubject = "c"\n'
    files.write(jwt_table() + CERTIFICATES + SOCKET + subject).write_keys(Signer())
    assert len(policy_warnings(read_policy(files.policy), **options)) == count


@pytest.mark.parametrize(("names", "count"), [(["eu", "asia"], 0), (["asia"], 1), (None, 1)])
def test_callers_without_a_resource_are_warned_about(
    files: PolicyFiles, names: list[str] | None, count: int
) -> None:
    files.write(SOCKET + 'resources = ["eu", "us"]\n')
    options: dict[str, Any] = {"encrypted": False, "asks_clients": False}
    warnings = policy_warnings(read_policy(files.policy), ("unix:/s",), resources=names, **options)
    assert len(warnings) == count


def test_config_commands_report_policy_errors(files: PolicyFiles) -> None:
    files.write('[callers.a]\nrole = "root"')
    flags = ("--emulator", "--caller-policy", str(files.policy))
    for command in (("serve", "--config-test"), ("config", "show")):
        done = CliRunner().invoke(main, [*command, *flags])
        assert done.exit_code == 2
        expected = f"rooms-gateway: --caller-policy: {files.policy}: callers.a"
        assert done.stderr.count(expected) == 2
    files.write(SOCKET)
    listen = ("--listen", f"unix:{files.folder}/s")
    done = CliRunner().invoke(main, ["serve", "--config-test", *flags, *listen])
    assert (done.exit_code, done.stdout) == (0, "settings are fine\n")


async def test_unreachable_jwks_prevents_the_start(files: PolicyFiles) -> None:
    subject = '[callers.c]\nrole = "reader"\nsubject = "c"\n'
    files.write(jwt_table('keys-url = "http://127.0.0.1:1/keys"') + subject)
    done = await run(
        "serve", "--emulator", "--listen", "127.0.0.1:0", "--caller-policy", files.policy
    )
    assert done.code == 4
    assert "jwt.keys-url: no keys could be loaded from http://127.0.0.1:1/keys." in done.err


async def test_client_token_from_file_or_environment(files: PolicyFiles, tmp_path: Path) -> None:
    token = "canary-canary-canary"
    files.write('tokens-file = "tokens"\n[callers.billing]\nrole = "reader"')
    files.write_tokens({"billing": token})
    (tmp_path / "token").write_text(f"{token}\n")
    async with started(
        *("serve", "--emulator", "--listen", "127.0.0.1:0", "--caller-policy", files.policy)
    ) as process:
        address = await process.address()
        listing = ("rooms", "list", "--address", address)
        with_file, with_variable, without, forbidden, malformed = await asyncio.gather(
            run(*listing, "--token-file", tmp_path / "token"),
            run(*listing, env={"ROOMS_GATEWAY_TOKEN": token}),
            run(*listing),
            run(*("rooms", "create", "--address", address), env={"ROOMS_GATEWAY_TOKEN": token}),
            run(*listing, env={"ROOMS_GATEWAY_TOKEN": "canary canary"}),
        )
        assert (with_file.code, with_variable.code) == (0, 0)
        assert without.code == 64 + 16
        assert "Pass --token-file, or" in without.err
        assert forbidden.code == 64 + 7
        assert "does not allow this call for the caller billing" in forbidden.err
        assert (malformed.code, "canary" in malformed.err) == (2, False)
    assert process.err.count('"caller":"billing"') == 3
    assert token not in process.err + process.out
