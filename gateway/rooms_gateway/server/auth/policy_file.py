"""Reads a policy: a TOML file, and the files of tokens and keys that it names.

All errors are collected, except that a value of the wrong type hides other errors in its table. No
error repeats a token.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rooms_gateway.files import read_protected
from rooms_gateway.server.auth.jwks import check_url
from rooms_gateway.server.auth.jwt import MISSING, JwtRules, Key, is_installed, read_keys
from rooms_gateway.server.auth.policy import Caller, Policy, Proof
from rooms_gateway.server.auth.policy_tables import (
    CallerTable,
    JwtTable,
    PolicyTable,
    convert,
    shown,
    texts,
)
from rooms_gateway.server.auth.roles import METHODS, ROLES, allowed_to
from rooms_gateway.server.auth.static_tokens import read_tokens
from rooms_gateway.suggestions import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_RESOURCE = re.compile(r"[a-z0-9-]{1,63}")

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

_IDENTITIES = {
    "uri": (
        Proof.CERTIFICATE,
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+"),
        "a URI, such as spiffe://example.org/billing",
    ),
    "dns": (Proof.CERTIFICATE, _HOST, "a host name without wildcards"),
    "subject": (Proof.TOKEN, re.compile(r"(?s).+"), "text"),
}
"""The proof, the pattern and the form in words, by kind of identity."""


class PolicyError(ValueError):
    """A policy that cannot be used."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        """One sentence per error."""


def read_policy(path: Path) -> Policy:
    """Read the policy at `path`; paths in it are relative to its directory.

    Raises PolicyError with all errors.
    """
    try:
        document = tomllib.loads(read_protected(path).decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"{path}: not TOML: {shown(str(error))}"]) from None
    except UnicodeDecodeError:
        raise PolicyError([f"{path}: not TOML: it is not UTF-8"]) from None
    except RecursionError:
        raise PolicyError([f"{path}: not a policy: it is nested too deeply"]) from None
    except ValueError as error:
        raise PolicyError([str(error)]) from None
    reader = _Reader(path.parent)
    policy = reader.read(document)
    if policy is None:
        raise PolicyError([f"{path}: {error}".replace("\n", " ") for error in reader.errors])
    return policy


class _Reader:
    """Converts a document to a policy, and collects the errors."""

    def __init__(self, directory: Path) -> None:
        self.errors: list[str] = []
        """One sentence per error, each with its key."""
        self._directory = directory
        self._callers: dict[str, Caller] = {}
        self._owners: dict[str, dict[str, str]] = {kind: {} for kind in _IDENTITIES}
        """The caller's name by identity, for each kind of identity."""
        self._owner_of_sockets: str | None = None

    def read(self, document: dict[str, Any]) -> Policy | None:
        """Return the policy; None if there are errors."""
        top, self.errors = convert("", document, PolicyTable)
        if top is None:
            return None
        if not top.callers and not self.errors:
            self._add("callers", 'there is none: add [callers.NAME] with role = "reader"')
        rules, keys = self._jwt(top.jwt)
        tokens = self._tokens(top)
        for name, table in top.callers.items():
            self._caller(name, table, tokens, jwt=top.jwt is not None)
        if self.errors or tokens is None:
            return None
        by = {
            kind: {identity: self._callers[name] for identity, name in owners.items()}
            for kind, owners in self._owners.items()
        }
        return Policy(
            callers=self._callers,
            by_uri=by["uri"],
            by_dns=by["dns"],
            by_subject=by["subject"],
            by_digest={digest: self._callers[name] for digest, name in tokens.items()},
            of_sockets=self._callers[self._owner_of_sockets] if self._owner_of_sockets else None,
            jwt=rules,
            keys=keys,
        )

    def _caller(
        self, name: str, found: object, tokens: Mapping[bytes, str] | None, *, jwt: bool
    ) -> None:
        where = f"callers.{shown(name)}"
        if _NAME.fullmatch(name) is None:
            self._add(where, "a name has letters, digits, dots, dashes and underscores, 64 at most")
            return
        table, errors = convert(where, found, CallerTable)
        self.errors += errors
        if table is None:
            return
        if table.subject is not None and not jwt:
            self._add(f"{where}.subject", "requires a table [jwt] with the issuer of the tokens")
        proofs = self._proofs(where, name, table)
        if tokens is None or name in tokens.values():
            proofs.add(Proof.TOKEN)
        if not proofs and table.uri is table.dns is table.subject is None:
            self._add(where, "no identity: set uri, dns, subject or socket, or add a token for it")
        allowed, resources = self._allowed(where, table), self._resources(where, table)
        default = table.default_resource
        self._callers[name] = Caller(name, allowed, frozenset(proofs), resources, default)

    def _proofs(self, where: str, name: str, table: CallerTable) -> set[Proof]:
        """Register the identities of a caller, and return what can prove them."""
        proofs = set()
        for kind, (proof, pattern, form) in _IDENTITIES.items():
            for text in texts(getattr(table, kind)):
                proofs.add(proof)
                identity = text.lower() if kind == "dns" else text
                if pattern.fullmatch(identity) is None:
                    self._add(f"{where}.{kind}", f"{shown(text)!r} is not {form}")
                    continue
                owner = self._owners[kind].setdefault(identity, name)
                if owner != name:
                    self._add(f"{where}.{kind}", f"{shown(text)!r} belongs to callers.{owner}")
        if table.socket:
            proofs.add(Proof.SOCKET)
            if self._owner_of_sockets is not None:
                owner = self._owner_of_sockets
                self._add(f"{where}.socket", f"only one caller can have it: callers.{owner} has it")
            self._owner_of_sockets = name
        return proofs

    def _allowed(self, where: str, table: CallerTable) -> frozenset[str]:
        allowed: set[str] = set()
        if table.role in ROLES:
            allowed |= allowed_to(ROLES[table.role])
        elif table.role is not None:
            hint = did_you_mean(table.role, ROLES)
            self._add(f"{where}.role", f"must be one of {', '.join(ROLES)}{hint}")
        for method in texts(table.methods):
            if method in METHODS:
                allowed.add(method)
            else:
                hint = did_you_mean(method, METHODS) or (
                    ": write package.Service/Method, such as acs.rooms.v1.RoomsService/GetRoom"
                )
                self._add(f"{where}.methods", f"unknown method {shown(method)!r}{hint}")
        if table.role is None and table.methods is None:
            self._add(where, "no permissions: set role, methods or both")
        return frozenset(f"/{method}" for method in allowed)

    def _resources(self, where: str, table: CallerTable) -> frozenset[str] | None:
        """Return the names of resources that the caller may use; None: all."""
        names = texts(table.resources)
        for name in names if table.default_resource is None else (*names, table.default_resource):
            if _RESOURCE.fullmatch(name) is None:
                self._add(
                    where, f"{shown(name)!r} is not a resource: use letters a-z, digits, dashes"
                )
        if table.resources is None:
            return None
        if not names:
            self._add(f"{where}.resources", "there is none: leave it out to allow all resources")
        if table.default_resource is not None and table.default_resource not in names:
            self._add(f"{where}.default-resource", "must be one of its resources")
        return frozenset(names)

    def _tokens(self, top: PolicyTable) -> dict[bytes, str] | None:
        """Return the caller of each static token; None if their file has errors."""
        if top.tokens_file is None:
            return {}
        path = self._file("tokens-file", top.tokens_file)
        if path is None:
            return None
        tokens, errors = read_tokens(path)
        self.errors += [f"tokens-file: {error}" for error in errors]
        for name in sorted({*tokens.values()} - top.callers.keys()):
            hint = did_you_mean(name, top.callers)
            self._add("tokens-file", f"{path} has a token for {shown(name)!r}, no caller{hint}")
        return None if errors else tokens

    def _jwt(self, found: object) -> tuple[JwtRules | None, tuple[Key, ...]]:
        """Return the rules in the table [jwt], and the keys if they are in a file."""
        if found is None:
            return None, ()
        if not is_installed():
            self._add("jwt", MISSING)
            return None, ()
        table, errors = convert("jwt", found, JwtTable)
        self.errors += errors
        if table is None:
            return None, ()
        audience, url = texts(table.audience), table.keys_url
        if not table.issuer:
            self._add("jwt.issuer", "required: the claim iss of the tokens")
        if not audience or "" in audience:
            self._add("jwt.audience", "required: the claim aud of tokens for this gateway")
        if not table.claim or not table.claim.isprintable():
            self._add("jwt.claim", "must be the name of a claim")
        if (table.keys_file is None) is (url is None):
            self._add("jwt", "set either keys-file or keys-url, the JWKS of the issuer")
        try:
            if url is not None:
                check_url(url)
        except ValueError as error:
            self._add("jwt.keys-url", str(error))
        file, keys = self._key_set(table.keys_file)
        return JwtRules(table.issuer, audience, table.claim, file, url), keys

    def _key_set(self, name: str | None) -> tuple[Path | None, tuple[Key, ...]]:
        path = None if name is None else self._file("jwt.keys-file", name)
        if path is None:
            return None, ()
        try:
            content = read_protected(path)
        except ValueError as error:
            self._add("jwt.keys-file", str(error))
            return path, ()
        try:
            return path, read_keys(content)
        except ValueError as error:
            self._add("jwt.keys-file", f"{path}: {error}")
            return path, ()

    def _file(self, where: str, name: str) -> Path | None:
        if name and name.isprintable():
            return self._directory / name
        self._add(where, "must be the path of a file")
        return None

    def _add(self, where: str, error: str) -> None:
        self.errors.append(f"{where}: {error}")
