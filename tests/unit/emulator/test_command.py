"""`rooms-gateway emulator` with invalid options."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import invoke


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--access-key", "canary!"), "the access key is not base64"),
        (("--access-key", ""), "the access key is empty"),
        (("--listen", "0.0.0.0:0"), "0.0.0.0:0 can be reached from other machines"),
        (("--control-listen", "192.0.2.1:0"), "192.0.2.1:0 can be reached from other machines"),
        (("--listen", "8125"), "'8125' is not host:port"),
        (("--listen", "::1:8125"), "write an IPv6 address in brackets"),
        (("--listen", "unix:/tmp/socket"), "'unix:/tmp/socket' is not host:port"),
        (("--faults", "/nonexistent/faults.toml"), "cannot read /nonexistent/faults.toml: No such"),
        (("--quota", "create=1/1s"), "unknown operation 'create' (did you mean CreateRoom?)"),
        (("--quota", "CreateRoom=1"), "quota 'CreateRoom=1': expected NAME=COUNT/PERIOD"),
        (("--quota", "all=1/1s", "--quota", "all=2/1s"), "there is another quota for all"),
        (
            ("--control-allow-remote",),
            "pass one with --control-key-file FILE or in ROOMS_EMULATOR_",
        ),
        (
            ("--control-key-file", "/nonexistent/key"),
            "--control-key-file /nonexistent/key: No such",
        ),
        (("--control-key-file", "/"), "--control-key-file /: Is a directory"),
        (("--control-key-file", "/dev/null"), "the control key is not 16 to 256 visible ASCII"),
        (("--control-key-file", "/dev/zero"), "the control key is not 16 to 256 visible ASCII"),
    ],
)
def test_invalid_option_is_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    done = invoke("emulator", *arguments)
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.startswith("rooms-gateway emulator: ")
    assert sentence in line
    assert "canary" not in line


@pytest.mark.parametrize(
    "key", ["canary", "a key, not a canary", "canary" * 100, "canäry-in-Latin-1"]
)
def test_an_invalid_control_key_is_not_printed(key: str, tmp_path: Path) -> None:
    """Neither that of the variable nor that of the file, which is used if there are both."""
    sentence = "the control key is not 16 to 256 visible ASCII characters"
    variable = {"ROOMS_EMULATOR_CONTROL_KEY": key}
    file = tmp_path / "key"
    file.write_text(key, encoding="latin-1")
    flags = ("--control-key-file", str(file))
    good = {"ROOMS_EMULATOR_CONTROL_KEY": "a-key-of-this-test"}
    for done in (invoke("emulator", env=variable), invoke("emulator", *flags, env=good)):
        assert (done.code, done.err) == (2, f"rooms-gateway emulator: {sentence}.\n")
