"""`rooms-gateway emulator` with invalid options."""

from __future__ import annotations

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
    ],
)
def test_invalid_option_is_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    done = invoke("emulator", *arguments)
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.startswith("rooms-gateway emulator: ")
    assert sentence in line
    assert "canary" not in line
