"""Endpoints, connection strings and access keys, parsed and checked.

No error text contains a connection string or a key, because error texts are logged.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from rooms_gateway.addresses import is_loopback
from rooms_gateway.stray_marks import stray_mark

DEFAULT_PORTS = {"https": 443, "http": 80}

# RFC 1123, plus the underscore, which names in container networks have.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")

_PARTS = ("endpoint", "accesskey")
_QUOTES = ('""', "''", "\u201c\u201d", "\u2018\u2019")
_URL = re.compile("https?://", re.IGNORECASE)
# In a POSIX shell, cmd.exe, PowerShell and .env files.
_ASSIGNMENT = re.compile(
    r"""(?:export\s+|set\s+|\$env:)?\w+\s*=\s*["']?(?:endpoint|accesskey)\s*=""", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Origin of the REST API: scheme, host and port, without a path."""

    scheme: str
    host: str
    """Host name or IP address in lower case; an IPv6 address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """Value of the `Host` header: without the port if it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without a trailing slash."""
        return f"{self.scheme}://{self.authority}"

    @property
    def private(self) -> bool:
        """Whether requests are encrypted or stay on loopback."""
        return self.scheme == "https" or is_loopback(self.host)

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Parse an endpoint such as `https://contoso.communication.azure.com/`.

        Raises ValueError, with one sentence as its text, if `text` is not an endpoint.
        """
        _check_ends(text, "the endpoint")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("the endpoint has characters that are not allowed in a URL")
        try:
            parts = urlsplit(text)
            scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        except ValueError:
            raise ValueError("the endpoint is not a URL") from None
        if scheme not in DEFAULT_PORTS or not host:
            raise ValueError(
                "the endpoint must be a URL such as https://<resource>.communication.azure.com"
            )
        _check_origin_only(parts)
        if not _is_host(host, bracketed="[" in parts.netloc) or port == 0:
            raise ValueError("the endpoint has an invalid host or port")
        if scheme == "http" and not is_loopback(host):
            raise ValueError(
                "an http:// endpoint must be on loopback, such as http://127.0.0.1:8125, because "
                "requests to it are not encrypted: use https://"
            )
        return cls(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)


def _is_host(host: str, *, bracketed: bool) -> bool:
    if not bracketed:
        return _NAME.fullmatch(host) is not None
    try:
        return not ipaddress.IPv6Address(host).scope_id
    except ValueError:
        return False


def _check_origin_only(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise ValueError("the endpoint must not contain a user name or password")
    if parts.path not in ("", "/"):
        raise ValueError(
            "the endpoint must not have a path: give only scheme and host, such as "
            "https://<resource>.communication.azure.com"
        )
    if parts.query or parts.fragment:
        raise ValueError("the endpoint must not have a query or a fragment")


def _check_ends(text: str, name: str) -> None:
    if (mark := stray_mark(text)) is not None:
        raise ValueError(f"{name} {mark}")


def parse_access_key(text: str, name: str = "the access key") -> bytes:
    """Decode an access key, called `name` in errors.

    Raises ValueError, with one sentence that omits the key, if it is not base64.
    """
    _check_ends(text, name)
    if "accesskey=" in text.lower():
        raise ValueError(f"{name} is a connection string: keep only the value after accesskey=")
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"{name} is not base64: copy it again from the Keys page of the resource")
    return key


def parse_connection_string(text: str) -> tuple[Endpoint, bytes]:
    """Parse `endpoint=https://…;accesskey=…` into the endpoint and the decoded key.

    As in Microsoft's Python client, names are case-insensitive, in any order, and unknown ones
    are ignored. A byte order mark and a pair of quotation marks around the whole are removed.
    Raises ValueError, with one sentence that contains no part of `text`.
    """
    text = _unwrapped(text)
    if _ASSIGNMENT.match(text):
        raise ValueError(
            "the connection string begins with the name of a variable: keep only the text from "
            "endpoint= on"
        )
    _check_ends(text, "the connection string")
    parts: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name in _PARTS and name in parts:
            raise ValueError(
                f"the connection string has {name} twice: keep one of the two strings in it"
            )
        parts[name] = value.strip()
    _check_parts(parts, text)
    return Endpoint.parse(parts["endpoint"]), parse_access_key(parts["accesskey"])


def _unwrapped(text: str) -> str:
    """Return a connection string without what tools leave around it."""
    text = text.strip().removeprefix("\ufeff").strip()
    # A line of source code may have a semicolon after the quotation marks.
    quoted = text.rstrip("; \t")
    if len(quoted) > 1 and quoted[0] + quoted[-1] in _QUOTES:
        return quoted[1:-1].strip()
    return text


def _check_parts(parts: Mapping[str, str], text: str) -> None:
    """Raise ValueError if a part is missing, or the two have each other's values."""
    missing = [name for name in _PARTS if not parts.get(name)]
    if missing and _URL.match(text):
        raise ValueError(
            "the connection string begins with a URL: put endpoint= before it and ;accesskey= with "
            "the key after it, or pass it as --endpoint, with --access-key-file"
        )
    if missing == ["accesskey"] and ";" not in text:
        raise ValueError(
            "the connection string has no accesskey and no semicolon: put it in quotation marks "
            "where a shell reads it, because a semicolon ends a command"
        )
    if missing:
        raise ValueError(
            f"the connection string has no {' and no '.join(missing)}: it must read "
            "endpoint=https://<resource>.communication.azure.com/;accesskey=<base64>"
        )
    if _URL.match(parts["accesskey"]) and not _URL.match(parts["endpoint"]):
        raise ValueError(
            "the connection string has a URL as accesskey: exchange the values of endpoint and "
            "accesskey"
        )
