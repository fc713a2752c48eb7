"""How clients trust a CA, for the languages of Microsoft's clients."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105 - Java's usual one; a trust store holds no secret

_COMMANDS = {
    "Python": "export REQUESTS_CA_BUNDLE={pem} SSL_CERT_FILE={pem}",
    "Node": "export NODE_EXTRA_CA_CERTS={pem}",
    "Java": "export JDK_JAVA_OPTIONS='-Djavax.net.ssl.trustStore={p12} "
    f"-Djavax.net.ssl.trustStorePassword={TRUSTSTORE_PASSWORD}'",
    ".NET": "export SSL_CERT_FILE={pem}",
    "Go": "export SSL_CERT_FILE={pem}",
    "curl": "export CURL_CA_BUNDLE={pem}",
}


def commands(ca: Path, truststore: Path) -> dict[str, str]:
    """Return a shell command for each language: how its clients trust the certificate in `ca`.

    `truststore` is the same certificate as a PKCS #12 file, for Java.
    """
    pem = quote(str(ca))
    # In an argument file for Java, quotation marks hold spaces together.
    p12 = f'"{truststore}"' if " " in str(truststore) else truststore
    return {name: text.format(pem=pem, p12=p12) for name, text in _COMMANDS.items()}
