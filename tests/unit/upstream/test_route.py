"""Proxies and their credentials, as settings spell them."""

from __future__ import annotations

import pytest

from rooms_gateway.upstream.route import Proxy, basic_authorization


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128, "proxy.example:3128"),
        ("HTTP://Proxy.Example:80/", "proxy.example", 80, "proxy.example:80"),
        ("http://[2001:db8::1]:3128", "2001:db8::1", 3128, "[2001:db8::1]:3128"),
    ],
)
def test_a_proxy_has_host_and_port(text: str, host: str, port: int, shown: str) -> None:
    proxy = Proxy.parse(text)
    assert (proxy.host, proxy.port, str(proxy)) == (host, port, shown)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://user:canary@proxy.example:3128", "--upstream-proxy-credentials-file"),
        ("https://canary.example:3128", "http://HOST:PORT"),
        ("socks5://canary.example:1080", "http://HOST:PORT"),
        ("canary.example:3128", "http://HOST:PORT"),
        ("http://canary.example", "http://HOST:PORT"),
        ("http://[2001:db8::1]", "http://HOST:PORT"),
        ("http://canary.example:3128/path", "http://HOST:PORT"),
        ("http://canary.example:0", "http://HOST:PORT"),
        ("http://canary example:3128", "http://HOST:PORT"),
        ("", "http://HOST:PORT"),
    ],
)
def test_a_malformed_proxy_is_not_repeated(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        Proxy.parse(text)
    assert "canary" not in str(raised.value)


def test_proxy_credentials_are_one_line() -> None:
    """The password may have colons and spaces, and no line may follow."""
    assert basic_authorization("user:a:b c\r\n") == "Basic dXNlcjphOmIgYw=="


@pytest.mark.parametrize("text", ["", "canary", ":canary", "user:canary\nX: y", "user:can\tary"])
def test_malformed_credentials_are_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="user:password") as raised:
        basic_authorization(text)
    assert "canary" not in str(raised.value)


def test_a_proxy_shows_no_credentials() -> None:
    assert "canary" not in repr(Proxy("proxy.example", 3128, "canary"))
