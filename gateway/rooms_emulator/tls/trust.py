"""How clients trust a CA, for the languages of Microsoft's clients."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105 - Java's usual one; a trust store holds no secret


def commands(ca: Path, truststore: Path) -> dict[str, str]:
    """Return a shell command for each language: how its clients trust the certificate in `ca`.

    `truststore` is the same certificate as a PKCS #12 file, for Java.
    """
    pem = quote(str(ca))
    java = (
        f'-Djavax.net.ssl.trustStore="{truststore}" '
        f"-Djavax.net.ssl.trustStorePassword={TRUSTSTORE_PASSWORD}"
    )
    return {
        "Python": f"export REQUESTS_CA_BUNDLE={pem} SSL_CERT_FILE={pem}",
        "Node": f"export NODE_EXTRA_CA_CERTS={pem}",
        "Java": f"export JDK_JAVA_OPTIONS={quote(java)}",
        ".NET": f"export SSL_CERT_FILE={pem}",
        "Go": f"export SSL_CERT_FILE={pem}",
        "curl": f"export CURL_CA_BUNDLE={pem}",
    }
