"""Trusted CAs, proxies and their credentials: errors of the command line, and unused proxies."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.authority import OURS, expired_authority
from support.commands import invoke

from rooms_gateway.cli.serve.run import unused_proxy
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.route import Proxy, Route

AZURE = ("--connection-string", "endpoint=https://contoso.example;accesskey=a2V5")
PROXY = ("--upstream-proxy", "http://proxy.example:3128")

FILES = {
    "not there": (None, "cannot read {}: No such file or directory"),
    "no PEM": (b"canary", "there is no certificate in PEM form in {}"),
    "truncated": (OURS.pem + OURS.pem[:100], "{} is truncated or damaged"),
    "expired": (expired_authority(), "all certificates in {} have expired"),
}


@pytest.mark.parametrize("kind", FILES)
def test_an_unusable_ca_file_is_one_error(tmp_path: Path, kind: str) -> None:
    """The flag and OpenSSL's variable have the same errors."""
    content, sentence = FILES[kind]
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    for arguments, env, source in (
        (("--upstream-ca", path), {}, "--upstream-ca"),
        ((), {"SSL_CERT_FILE": str(path)}, "SSL_CERT_FILE"),
    ):
        done = invoke("serve", *AZURE, *arguments, "--config-test", env=env)
        assert done.code == 2
        assert done.err.startswith(f"rooms-gateway: {source}: {sentence.format(path)}")
        assert "canary" not in done.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read {}: No such file or directory."),
        (b"canary", "{} must contain one line, user:password."),
        (b"user:canary\nanother", "{} must contain one line, user:password."),
        ("user:canäry".encode(), "{} is not ASCII text."),
    ],
    ids=["not there", "no user", "two lines", "not ASCII"],
)
def test_bad_proxy_credentials_are_one_error(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "proxy-credentials"
    if content is not None:
        path.write_bytes(content)
    flag = "--upstream-proxy-credentials-file"
    done = invoke("serve", *AZURE, *PROXY, flag, path)
    assert done.code == 2
    assert done.err.startswith(f"rooms-gateway: {flag}: {sentence.format(path)}\n")
    assert "can" not in done.err.replace("cannot", "")


def test_proxy_credentials_need_a_proxy(tmp_path: Path) -> None:
    path = tmp_path / "proxy-credentials"
    path.write_text("user:password")
    done = invoke("serve", *AZURE, "--upstream-proxy-credentials-file", path)
    assert done.code == 2
    assert "--upstream-proxy-credentials-file needs --upstream-proxy." in done.err


def test_a_password_in_the_proxy_url_is_rejected() -> None:
    done = invoke("serve", *AZURE, "--upstream-proxy", "http://user:canary@proxy.example:3128")
    assert done.code == 2
    assert "pass --upstream-proxy-credentials-file" in done.err
    assert "canary" not in done.err


def test_proxy_and_ca_files_pass_the_test(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"# comment \xe4\n" + OURS.pem)
    (tmp_path / "credentials").write_text("user:password\n")
    files = ("--upstream-ca", tmp_path / "ca.pem")
    credentials = ("--upstream-proxy-credentials-file", tmp_path / "credentials")
    done = invoke("serve", *AZURE, *files, *PROXY, *credentials, "--config-test")
    assert (done.code, done.out, done.err) == (0, "settings are fine\n", "")


PROXY_SET = {"HTTPS_PROXY": "http://proxy.example:3128"}


@pytest.mark.parametrize(
    ("endpoint", "environment", "variable"),
    [
        ("https://contoso.example", PROXY_SET, "HTTPS_PROXY"),
        ("https://contoso.example", {"https_proxy": "http://proxy.example:3128"}, "https_proxy"),
        ("https://contoso.example", {"ALL_PROXY": "http://proxy.example:3128"}, "ALL_PROXY"),
        ("https://contoso.example", {"HTTP_PROXY": "http://proxy.example:3128"}, None),
        ("https://contoso.example", {"HTTPS_PROXY": ""}, None),
        ("https://contoso.example", PROXY_SET | {"NO_PROXY": "a,.example"}, None),
        ("https://contoso.example", PROXY_SET | {"no_proxy": "contoso.example"}, None),
        ("https://contoso.example", PROXY_SET | {"NO_PROXY": "*"}, None),
        ("https://contoso.example", PROXY_SET | {"NO_PROXY": "other.example"}, "HTTPS_PROXY"),
        ("http://127.0.0.1:8125", PROXY_SET, None),
        ("https://localhost", PROXY_SET, None),
    ],
)
def test_a_proxy_variable_without_effect_is_found(
    endpoint: str, environment: dict[str, str], variable: str | None
) -> None:
    """Unless `NO_PROXY` excepts the host, as other programs read it."""
    upstream = Upstream.with_key(Endpoint.parse(endpoint), b"key")
    assert unused_proxy(upstream, environment) == variable


def test_a_configured_proxy_needs_no_warning() -> None:
    direct = Upstream.with_key(Endpoint.parse("https://contoso.example"), b"key")
    route = Route(proxy=Proxy.parse("http://proxy.example:3128"))
    through = Upstream(direct.endpoint, direct.credential, route)
    assert unused_proxy(through, PROXY_SET) is None
    assert unused_proxy(None, PROXY_SET) is None
