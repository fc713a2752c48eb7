"""Reading a policy: a TOML file, and the files of tokens and keys that it names.

All faults are told at once, by line or key. None repeats a token.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rooms_gateway.files import read_bounded
from rooms_gateway.server.auth.jwks import check_url
from rooms_gateway.server.auth.jwt import MISSING, JwtRules, Key, is_installed, read_keys
from rooms_gateway.server.auth.policy import Caller, Policy, Proof, version_of
from rooms_gateway.server.auth.roles import METHODS, ROLES, allowed_to
from rooms_gateway.server.auth.static_tokens import read_tokens
from rooms_gateway.suggestions import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_DNS = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_TOP = ("callers", "jwt", "tokens-file")
_OF_CALLER = ("role", "methods", "uri", "dns", "subject", "socket")
_IDENTITIES = frozenset({"uri", "dns", "subject"})
_OF_JWT = ("issuer", "audience", "claim", "keys-file", "keys-url")
_MAX_SHOWN = 100


class PolicyError(Exception):
    """A policy that cannot be used."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        """One sentence for each fault."""


def read_policy(path: Path) -> Policy:
    """Read the policy at `path`; the files that it names are relative to its folder.

    Raises PolicyError with every fault.
    """
    try:
        content = read_bounded(path)
        document = tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"{path}: not TOML: {_shown(str(error))}"]) from None
    except UnicodeDecodeError:
        raise PolicyError([f"{path}: not TOML: it is not UTF-8"]) from None
    except RecursionError:
        raise PolicyError([f"{path}: not TOML that could be a policy"]) from None
    except ValueError as fault:
        raise PolicyError([str(fault)]) from None
    reader = _Reader(path, document)
    policy = reader.read(content)
    if reader.faults:
        raise PolicyError([fault.replace("\n", " ") for fault in reader.faults])
    return policy


class _Reader:
    """Collects what a document says, and its faults."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.faults: list[str] = []
        self._path = path
        self._document = document
        self._callers: dict[str, Caller] = {}
        self._identities: dict[str, dict[str, str]] = {"uri": {}, "dns": {}, "subject": {}}
        """The names of callers, by kind of identity and identity."""
        self._of_sockets: str | None = None
        self._tokens_known = True

    def read(self, content: bytes) -> Policy:
        self._refuse_unknown("", self._document, _TOP)
        tables = self._table("callers", self._document.get("callers", {}))
        if not tables and not self.faults:
            self._note("callers", 'there is none: write [callers.NAME] with role = "reader"')
        rules, keys, key_content = self._jwt()
        tokens, token_content = self._tokens(tables)
        for name, table in tables.items():
            self._caller(name, table, tokens=name in tokens.values(), jwt=rules is not None)
        by_kind = {
            kind: {each: self._callers[name] for each, name in named.items()}
            for kind, named in self._identities.items()
            if not self.faults
        }
        if self.faults:
            return Policy(callers={})
        return Policy(
            callers=self._callers,
            by_uri=by_kind["uri"],
            by_dns=by_kind["dns"],
            by_subject=by_kind["subject"],
            by_digest={digest: self._callers[name] for digest, name in tokens.items()},
            of_sockets=self._callers[self._of_sockets] if self._of_sockets else None,
            jwt=rules,
            keys=keys,
            version=version_of(content, token_content, key_content),
        )

    def _caller(self, name: str, found: object, *, tokens: bool, jwt: bool) -> None:
        where = f"callers.{_shown(name)}"
        if _NAME.fullmatch(name) is None:
            self._note(
                where, "a name has letters, digits, dots, dashes and underscores, 64 at most"
            )
            return
        table = self._table(where, found)
        self._refuse_unknown(where, table, _OF_CALLER)
        proofs = {Proof.TOKEN} if tokens else set()
        for kind in ("uri", "dns", "subject"):
            if self._identified(where, name, kind, table.get(kind, [])):
                proofs.add(Proof.TOKEN if kind == "subject" else Proof.CERTIFICATE)
        if "subject" in table and not jwt and "jwt" not in self._document:
            self._note(f"{where}.subject", "needs a table [jwt] that says whose tokens are taken")
        socket = table.get("socket", False)
        if not isinstance(socket, bool):
            self._note(f"{where}.socket", "must be true or false")
        elif socket:
            proofs.add(Proof.SOCKET)
            if self._of_sockets is not None:
                self._note(f"{where}.socket", f"callers.{self._of_sockets} has it: one can")
            self._of_sockets = name
        if not proofs and self._tokens_known and _IDENTITIES.isdisjoint(table):
            self._note(where, "nothing shows who it is: give uri, dns, subject, socket or a token")
        self._callers[name] = Caller(name, self._allowed(where, table), frozenset(proofs))

    def _allowed(self, where: str, table: Mapping[str, Any]) -> frozenset[str]:
        allowed: set[str] = set()
        role = table.get("role")
        if role is not None:
            if isinstance(role, str) and role in ROLES:
                allowed |= allowed_to(ROLES[role])
            else:
                self._note(f"{where}.role", f"must be one of {', '.join(ROLES)}")
        for method in self._texts(f"{where}.methods", table.get("methods", [])):
            if method in METHODS:
                allowed.add(method)
            else:
                hint = did_you_mean(method, METHODS) or (
                    ": write package.Service/Method, such as acs.rooms.v1.RoomsService/GetRoom"
                )
                self._note(f"{where}.methods", f"there is no {_shown(method)!r}{hint}")
        if "role" not in table and "methods" not in table:
            self._note(where, "it may do nothing: give it a role, methods, or both")
        return frozenset(f"/{method}" for method in allowed)

    def _identified(self, where: str, name: str, kind: str, found: object) -> bool:
        """Note whose the identities are; say whether there is any."""
        texts = self._texts(f"{where}.{kind}", found)
        for text in texts:
            identity = text.lower() if kind == "dns" else text
            wrong = _FORMS[kind]
            if wrong[0].fullmatch(identity) is None:
                self._note(f"{where}.{kind}", f"{_shown(text)!r} is not {wrong[1]}")
                continue
            other = self._identities[kind].setdefault(identity, name)
            if other != name:
                self._note(f"{where}.{kind}", f"{_shown(text)!r} is callers.{other}, too")
        return bool(texts)

    def _tokens(self, callers: Mapping[str, Any]) -> tuple[dict[bytes, str], bytes]:
        path = self._file("tokens-file", self._document.get("tokens-file"))
        if path is None:
            return {}, b""
        tokens, faults = read_tokens(path)
        self._tokens_known = not faults
        self.faults += [f"{self._path}: tokens-file: {fault}" for fault in faults]
        for name in sorted({*tokens.values()} - callers.keys()):
            hint = did_you_mean(name, callers)
            self._note("tokens-file", f"{path} has a token of {_shown(name)!r}, no caller{hint}")
        return tokens, b"".join(sorted(d + n.encode() for d, n in tokens.items()))

    def _jwt(self) -> tuple[JwtRules | None, tuple[Key, ...], bytes]:
        """Read the table [jwt]; return what it says, and the keys in a file and what that holds."""
        if "jwt" not in self._document:
            return None, (), b""
        table = self._table("jwt", self._document["jwt"])
        before = len(self.faults)
        self._refuse_unknown("jwt", table, _OF_JWT)
        if not is_installed():
            self._note("jwt", MISSING)
        issuer, claim = table.get("issuer"), table.get("claim", "sub")
        audience = self._texts("jwt.audience", table.get("audience", []))
        if not isinstance(issuer, str) or not issuer:
            self._note("jwt.issuer", "must be the text that tokens have as iss")
        if not audience:
            self._note("jwt.audience", "must be what tokens for this gateway have as aud")
        if not isinstance(claim, str) or not claim or not claim.isprintable():
            self._note("jwt.claim", "must be the name of a claim")
        file, url, content = self._where_keys_are(table)
        keys: tuple[Key, ...] = ()
        if file is not None and is_installed() and len(self.faults) == before:
            try:
                keys = read_keys(content)
            except ValueError as fault:
                self._note("jwt.keys-file", f"{file} {fault}")
        if len(self.faults) > before:
            return None, (), b""
        return JwtRules(str(issuer), tuple(audience), str(claim), file, url), keys, content

    def _where_keys_are(self, table: Mapping[str, Any]) -> tuple[Path | None, str | None, bytes]:
        file, url = self._file("jwt.keys-file", table.get("keys-file")), table.get("keys-url")
        if ("keys-file" in table) is ("keys-url" in table):
            self._note("jwt", "give either keys-file or keys-url: where the issuer's keys are")
        try:
            if url is not None:
                check_url(url if isinstance(url, str) else "")
        except ValueError as fault:
            self._note("jwt.keys-url", str(fault))
        try:
            return file, url, b"" if file is None else read_bounded(file)
        except ValueError as fault:
            self._note("jwt.keys-file", str(fault))
            return None, url, b""

    def _file(self, where: str, found: object) -> Path | None:
        if found is None:
            return None
        if not isinstance(found, str) or not found or not found.isprintable():
            self._note(where, "must be the path of a file")
            return None
        return self._path.parent / found

    def _texts(self, where: str, found: object) -> list[str]:
        """Read a string or an array of them."""
        texts = [found] if isinstance(found, str) else found
        if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
            self._note(where, "must be a string or an array of strings")
            return []
        return texts

    def _table(self, where: str, found: object) -> dict[str, Any]:
        if isinstance(found, dict):
            return found
        self._note(where, "must be a table")
        return {}

    def _refuse_unknown(self, where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in table:
            if key not in known:
                inside = f"{where}.{_shown(key)}" if where else _shown(key)
                self._note(inside, f"there is no such key{did_you_mean(key, known)}")

    def _note(self, where: str, fault: str) -> None:
        self.faults.append(f"{self._path}: {where}: {fault}")


def _shown(text: str) -> str:
    cut = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    return cut if cut.isprintable() else ascii(cut)


_FORMS = {
    "uri": (_URI, "a URI, such as spiffe://example.org/billing"),
    "dns": (_DNS, "a host name without wildcards"),
    "subject": (re.compile(r"(?s).+"), "text"),
}
