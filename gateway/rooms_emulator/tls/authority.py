"""The development CA, which is kept in a folder of the user, and the certificates it signs.

Needs the library cryptography, an optional extra, so only `--tls-dev` imports this module.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rooms_emulator.tls.trust import TRUSTSTORE_PASSWORD

_CA_LIFETIME = timedelta(days=3650)
# Apple's systems reject certificates with a longer life.
_SERVER_LIFETIME = timedelta(days=397)
_SKEW = timedelta(days=1)
_TITLE = "rooms-gateway emulator development CA"
_REMEDY = "set XDG_DATA_HOME to a folder that this user can write, or pass --tls-cert and --tls-key"


class Authority:
    """A CA for development, in `folder`: its certificate for clients, and its key.

    It is made if there is none, or if a certificate could outlive it. Raises ValueError, with one
    sentence, if the folder cannot be used, or other users could read or replace the key.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self._secret = folder / "emulator-ca-key.pem"
        self.file = folder / "emulator-ca.pem"
        """PEM file with the certificate, for clients to trust."""
        self.truststore = folder / "emulator-ca.p12"
        """PKCS #12 file with the same certificate, for Java; the password is `changeit`."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._key, self._certificate = self._read() or self._make(now, replace=False)
            if self._certificate.not_valid_after_utc < now + _SERVER_LIFETIME:
                self._key, self._certificate = self._make(now, replace=True)
            self._publish()
        except OSError as error:
            raise ValueError(
                f"the development CA cannot be kept in {folder}: {error.strerror}; {_REMEDY}"
            ) from None

    def issue(self, hosts: Iterable[str], now: datetime) -> bytes:
        """Return a key with a certificate for names and addresses, PEM.

        Raises ValueError, with one sentence, if a name cannot be in a certificate.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        authority = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate = (
            _builder("rooms-gateway emulator", key, now, _SERVER_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(map(_name, hosts)), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority.value),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _pem(key, certificate)

    def _publish(self) -> None:
        """Write the files for clients, unless they have this certificate."""
        shown = self._certificate.public_bytes(serialization.Encoding.PEM)
        if self.truststore.exists() and self.file.exists() and self.file.read_bytes() == shown:
            return
        store = pkcs12.serialize_java_truststore(
            [pkcs12.PKCS12Certificate(self._certificate, b"rooms-emulator")],
            serialization.BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode()),
        )
        _replace(self.truststore, store, mode=0o644)
        _replace(self.file, shown, mode=0o644)

    def _read(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
        if not self._secret.exists():
            return None
        remedy = f"delete {self._secret} for a new CA"
        if os.name == "posix":
            found = self._secret.stat()
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise ValueError(
                    f"{self._secret} must belong to this user and be readable for no other: run "
                    f"chmod 600, or {remedy}, which clients then have to trust"
                )
        content = self._secret.read_bytes()
        try:
            key = serialization.load_pem_private_key(content, password=None)
            certificate = x509.load_pem_x509_certificate(content)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            pass
        else:
            if (
                isinstance(key, ec.EllipticCurvePrivateKey)
                and certificate.public_key() == key.public_key()
            ):
                return key, certificate
        raise ValueError(f"{self._secret} is not the key of a development CA: {remedy}")

    def _make(
        self, now: datetime, *, replace: bool
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_TITLE, key, now, _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .sign(key, hashes.SHA256())
        )
        if replace:
            _replace(self._secret, _pem(key, certificate), mode=0o600)
        elif not _create(self._secret, _pem(key, certificate)):
            # Another emulator has made one in the meantime.
            return self._read() or self._make(now, replace=True)
        return key, certificate


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: str, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject))
        .issuer_name(_common_name(_TITLE))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _common_name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode("ascii"))
    except ValueError:
        raise ValueError(
            f"{host!r} cannot be the name of a host in a certificate: use letters, digits, hyphens "
            "and dots"
        ) from None


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _create(path: Path, content: bytes) -> bool:
    """Create a file, complete from the start; return whether there was none."""
    fresh = _write(path, content)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    fresh = _write(path, content)
    fresh.chmod(mode)
    fresh.replace(path)


def _write(path: Path, content: bytes) -> Path:
    """Write a temporary file next to `path`, for its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return Path(name)
