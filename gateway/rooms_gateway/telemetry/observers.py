"""Protocols of observers, and an observer that does nothing.

Labels and events are enums or plain values of a closed set, so that no caller and no upstream can
create a label.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class MethodKind(StrEnum):
    """The streams of a method."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"
    BIDI_STREAM = "bidi_stream"


class MethodObserver(Protocol):
    """Observes the calls of one gRPC method."""

    def started(self) -> None:
        """Count a started call."""
        ...

    def message_sent(self) -> None:
        """Count a message of a stream: a page of a list, or a result of a bulk job.

        Unary calls are counted when they end.
        """
        ...

    def ended(self, code: str, reason: str, seconds: float) -> None:
        """Count an ended call and its duration.

        `code` is the gRPC status code ("NOT_FOUND"), `reason` that of ErrorInfo, or empty.
        """
        ...


class CallObserver(Protocol):
    """Observes the calls of a gateway."""

    def of_method(self, service: str, method: str, kind: MethodKind) -> MethodObserver:
        """Return the observer of a method; requested once per method."""
        ...

    def unknown_method(self) -> None:
        """Count a call of an unimplemented method. Its name is the caller's choice, so no label."""
        ...


class AttemptFailure(StrEnum):
    """Why an attempt has no response."""

    NAME_NOT_KNOWN = "name_not_known"
    LOOKUP_FAILED = "lookup_failed"
    """No DNS server responded, or it could not resolve the name at the moment."""
    REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    """There is no route to the host."""
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT = "connect_failed"
    """Another error of a socket, such as too many open files."""
    CERTIFICATE = "certificate_not_trusted"
    WRONG_PROTOCOL = "wrong_protocol"
    """One end speaks TLS, the other plain HTTP."""
    TLS = "tls_failed"
    """Another error of the TLS handshake."""
    PROXY_REJECTED = "proxy_rejected"
    """The proxy does not permit the connection, or not with these credentials."""
    PROXY = "proxy_failed"
    """The proxy could not open a tunnel."""
    TIMEOUT = "timeout"
    LOST = "connection_lost"
    NOT_HTTP = "not_http"
    """The response does not conform to HTTP/1.1."""
    INVALID = "invalid_response"
    """The response was too large or compressed."""
    CANCELLED = "cancelled"
    """By the caller or by shutdown."""
    OTHER = "_OTHER"

    @property
    def sent(self) -> bool:
        """Whether the upstream may have received the request, and may have acted on it."""
        return self not in _BEFORE_REQUEST

    @property
    def permanent(self) -> bool:
        """Whether it lasts until the configuration of one end changes, so retries cannot help."""
        return self in _PERMANENT


_PERMANENT = frozenset(
    {
        AttemptFailure.NAME_NOT_KNOWN,
        AttemptFailure.CERTIFICATE,
        AttemptFailure.WRONG_PROTOCOL,
        AttemptFailure.PROXY_REJECTED,
    }
)

_BEFORE_REQUEST = _PERMANENT | {
    AttemptFailure.LOOKUP_FAILED,
    AttemptFailure.REFUSED,
    AttemptFailure.UNREACHABLE,
    AttemptFailure.CONNECT_TIMEOUT,
    AttemptFailure.CONNECT,
    AttemptFailure.TLS,
    AttemptFailure.PROXY,
}


class UpstreamObserver(Protocol):
    """Observes requests to the upstream."""

    def request_started(self) -> None:
        """Count a REST request, regardless of the number of its attempts."""
        ...

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None:
        """Count an attempt and its duration; an int is an HTTP status."""
        ...

    def retry_withheld(self) -> None:
        """Count a retry that the retry budget did not allow."""
        ...


class CredentialEvent(StrEnum):
    """Events of credentials and of the policy."""

    REJECTED = "rejected"
    """The upstream responded with 401."""
    KEY_SWITCHED = "key_switched"
    """The upstream accepted the other key, which is now in use."""
    KEY_FILE_READ = "key_file_read"
    """The key file has changed and was reloaded."""
    KEY_FILE_UNUSABLE = "key_file_unusable"
    TOKEN_RENEWED = "token_renewed"  # noqa: S105 - the name of an event
    TOKEN_NOT_RENEWED = "token_not_renewed"  # noqa: S105 - the name of an event
    CALLER_POLICY_READ = "caller_policy_read"
    """The policy, or a file that it names, has changed and was reloaded."""
    CALLER_POLICY_UNUSABLE = "caller_policy_unusable"
    CALLER_KEYS_UNUSABLE = "caller_keys_unusable"
    """The JWKS of a token issuer could not be fetched."""
    AUDIT_KEY_READ = "audit_key_read"
    """The key of the audit log has changed and was reloaded."""
    AUDIT_KEY_UNUSABLE = "audit_key_unusable"


class CredentialObserver(Protocol):
    """Observes keys, tokens and the policy."""

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event."""
        ...

    def token_expires(self, at: float) -> None:
        """Record the expiry of the token in use, in seconds since the epoch."""
        ...


class AuditObserver(CredentialObserver, Protocol):
    """Observes the audit log and its key."""

    def audit_line_lost(self) -> None:
        """Count a line that could not be written. Called from any thread."""
        ...


class ResourceObserver(UpstreamObserver, CredentialObserver, Protocol):
    """Observes one Communication Services resource: its requests and its credential."""


class NoopObserver:
    """Does nothing."""

    def of_method(self, service: str, method: str, kind: MethodKind) -> MethodObserver:
        """Return this observer."""
        return self

    def ignore(self, *_: object, **__: object) -> None:
        """Do nothing."""

    started = message_sent = ended = unknown_method = ignore
    request_started = attempt_ended = retry_withheld = ignore
    credential_event = token_expires = audit_line_lost = ignore


NOOP_OBSERVER = NoopObserver()
"""Default observer; used when metrics are off."""
