"""Values as tools leave them: errors name the quotation marks or the encoding, never the value."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from rooms_gateway.cli.client.inputs import parse_address
from rooms_gateway.cli.client.token import read_token
from rooms_gateway.server.auth.static_tokens import read_tokens
from rooms_gateway.stray_marks import stray_mark
from rooms_gateway.upstream.credentials.key_file import (
    parse_access_keys,
    read_client_secret,
    read_key_file,
)
from rooms_gateway.upstream.endpoint import Endpoint, parse_access_key, parse_connection_string

KEY = base64.b64encode(b"canary-canary-canary-canary").decode()
TOKEN = "canary.canary.canary.canary"
ENDPOINT = "https://canary.communication.azure.com"

VALUES: dict[str, tuple[Callable[[str], object], str]] = {
    "endpoint": (Endpoint.parse, ENDPOINT),
    "access key": (parse_access_key, KEY),
    "access keys": (parse_access_keys, KEY),
    "bearer token": (lambda text: read_token(None, text), TOKEN),
    "address": (parse_address, "canary.example:50051"),
}

MARKS = {
    "quotation marks": ('"{}"', "begins with a quotation mark: remove"),
    "apostrophes": ("'{}'", "begins with a quotation mark: remove"),
    "typographic quotation marks": ("“{}”", "begins with a quotation mark: remove"),
    "blanks and quotation marks": (' "{}"\r\n', "begins with a quotation mark: remove"),
    "a single mark at the end": ('{}"', "ends with a quotation mark: remove"),
    "a byte order mark": ("\ufeff{}", "begins with a byte order mark (U+FEFF): save"),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("mark", MARKS)
def test_error_names_the_mark_around_a_value(value: str, mark: str) -> None:
    parse, text = VALUES[value]
    form, sentence = MARKS[mark]
    parse(text)
    with pytest.raises(ValueError, match="mark") as raised:
        parse(form.format(text))
    assert sentence in str(raised.value)
    assert "canary" not in str(raised.value)
    assert KEY[:8] not in str(raised.value)


@pytest.mark.parametrize("text", ["", " ", "a", 'a"b', "endpoint=a", "a\ufeff", "\n"])
def test_text_without_a_mark_has_no_sentence(text: str) -> None:
    assert stray_mark(text) is None


def test_a_name_before_the_key_is_named() -> None:
    for text, sentence in (
        (f"endpoint={ENDPOINT};accesskey={KEY}", "keep only the value after accesskey="),
        (f"AccessKey={KEY}", "keep only the value after accesskey="),
    ):
        with pytest.raises(ValueError, match=sentence) as raised:
            parse_access_keys(text)
        assert KEY[:8] not in str(raised.value)


def test_a_name_before_the_token_is_named() -> None:
    with pytest.raises(ValueError, match='without "Bearer"') as raised:
        read_token(None, f"Bearer {TOKEN}")
    assert TOKEN not in str(raised.value)


def test_string_cut_by_a_shell_is_named() -> None:
    """Without quotation marks a semicolon ends the command, and the key is lost."""
    with pytest.raises(ValueError, match="no semicolon: put it in quotation marks"):
        parse_connection_string(f"endpoint={ENDPOINT}/")


# --- files ----------------------------------------------------------------------------------------


def tokens_of(path: Path) -> object:
    """Return the tokens in `path`. Raises ValueError with the first error."""
    tokens, errors = read_tokens(path)
    if errors:
        raise ValueError(errors[0])
    return tokens


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "access keys": (read_key_file, "{}"),
    "client secret": (read_client_secret, "{}"),
    "bearer token": (lambda path: read_token(path, None), "{}"),
    "tokens of callers": (tokens_of, "# comment\nbilling {}\n"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch(0o600)
    return path


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \r\n\r\n"])
def test_line_ends_and_utf8_mark_are_ignored(
    file: Path, kind: str, encoding: str, end: str
) -> None:
    read, form = FILES[kind]
    file.write_text(form.format(KEY))
    plain = read(file)
    file.write_bytes((form.format(KEY) + end).replace("\n", "\r\n").encode(encoding))
    assert read(file) == plain


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    ("form", "encoding", "sentence"),
    [
        ("{}", "utf-16", "is UTF-16 text: save it as ASCII text"),
        ('"{}"', "ascii", "begins with a quotation mark"),
        ("'{}", "utf-8-sig", "begins with a quotation mark"),
        ("{}é", "utf-8", "is not ASCII text"),
    ],
)
def test_file_error_names_the_file_and_the_mark(
    file: Path, kind: str, form: str, encoding: str, sentence: str
) -> None:
    read, line = FILES[kind]
    file.write_bytes(line.format(form.format(KEY)).encode(encoding))
    with pytest.raises(ValueError, match="file") as raised:
        read(file)
    assert sentence in str(raised.value)
    assert str(file) in str(raised.value)
    assert KEY[:8] not in str(raised.value)
