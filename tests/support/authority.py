"""Certificate authorities for tests, files as the gateway reads them, and TLS channels."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import trustme
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rooms_gateway.app import Gateway
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.settings import Settings

HOSTS = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its chain, and its key, PEM."""

    certificate: bytes
    key: bytes

    @property
    def secret(self) -> str:
        """A line of the key, which must not be repeated anywhere."""
        return self.key.decode().splitlines()[1]


@dataclass(frozen=True, slots=True)
class Authority:
    """Somebody who signs certificates."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self.ca.cert_pem.bytes()

    def issue(self, *names: str, **others: Any) -> Issued:
        """Sign a certificate for `names`, or else for this machine."""
        made = self.ca.issue_cert(*(names or HOSTS), **others)
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        return Issued(chain, made.private_key_pem.bytes())

    def expired(self) -> Issued:
        """Sign a certificate that was good until a day ago."""
        now = datetime.now(UTC)
        day = timedelta(days=1)
        return self.issue(not_before=now - 2 * day, not_after=now - day)

    def early(self) -> Issued:
        """Sign a certificate that will be good from tomorrow on."""
        now = datetime.now(UTC)
        day = timedelta(days=1)
        return self.issue(not_before=now + day, not_after=now + 2 * day)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a server's TLS, in a folder."""

    folder: Path

    @property
    def cert(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def write(self, issued: Issued, *authorities: Authority) -> Files:
        """Put a pair, and who signs the certificates of clients, in the place of what there is."""
        _replace(self.cert, issued.certificate)
        self.write_key(issued.key)
        if authorities:
            _replace(self.ca, b"".join(authority.pem for authority in authorities))
        return self

    def write_key(self, content: bytes) -> None:
        """Put something in the place of the key."""
        _replace(self.key, content)

    def settings(self, *, mutual: bool = False) -> dict[str, Any]:
        """Return the settings that name the files."""
        named = {"tls_cert": self.cert, "tls_key": self.key}
        return {**named, "tls_client_ca": self.ca} if mutual else named

    def flags(self, *, mutual: bool = False) -> list[str]:
        """Return the flags that name the files."""
        return [
            word
            for name, path in self.settings(mutual=mutual).items()
            for word in (f"--{name.replace('_', '-')}", str(path))
        ]


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that no reader sees half of it."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def only_for_clients() -> Issued:
    """Make a certificate that says it is not for servers."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _signed_by_itself(usage, timedelta(days=1))


def expired_authority() -> bytes:
    """Make the certificate of an authority that ended an hour ago."""
    return _signed_by_itself(x509.BasicConstraints(True, None), -timedelta(hours=1)).certificate


def _signed_by_itself(extension: x509.ExtensionType, ends_in: timedelta) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "itself")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + ends_in)
        .add_extension(extension, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Issued(
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


def channel(
    address: str, *authorities: Authority, client: Issued | None = None
) -> grpc.aio.Channel:
    """Open a channel with a connection, and so a handshake, of its own."""
    credentials = grpc.ssl_channel_credentials(
        b"".join(authority.pem for authority in authorities),
        client.key if client else None,
        client.certificate if client else None,
    )
    return grpc.aio.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)])


def served_by(address: str) -> bytes:
    """Return the certificate that a new connection to `address` is shown; blocks."""
    host, _, port = address.rpartition(":")
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port)), timeout=5))


OURS = Authority()
THEIRS = Authority()


def settings(files: Files, *, mutual: bool = False, **others: Any) -> Settings:
    chosen = {"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", **others}
    return Settings(upstream=None, **files.settings(mutual=mutual), **chosen)


async def create(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """Create a room through a channel that is closed afterwards."""
    async with channel:
        return (
            await rooms_service_pb2_grpc.RoomsServiceStub(channel)
            .CreateRoom(CreateRoomRequest())
            .code()
        )


def certificates_of(gateway: Gateway) -> Certificates:
    assert gateway.certificates is not None
    return gateway.certificates


def leaf(issued: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.certificate.decode().partition("-----END")[0] + ENDING)


ENDING = "-----END CERTIFICATE-----\n"
