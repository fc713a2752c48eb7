"""What can be observed, as protocols, and an observer that looks away.

Labels and events are plain values with few forms, so that neither gRPC nor HTTP has to be known
here, and no caller or service can choose a label.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class MethodObserver(Protocol):
    """Watches the calls of one gRPC method."""

    def started(self) -> None:
        """Count a call that has begun."""
        ...

    def message_sent(self) -> None:
        """Count a message of a stream, which is a page. Of other calls, success is one message."""
        ...

    def ended(self, code: str, reason: str, seconds: float) -> None:
        """Count a call that has ended.

        `code` is the status by the name that gRPC gives it ("NOT_FOUND"), `reason` that of
        ErrorInfo, empty where there is none.
        """
        ...


class CallObserver(Protocol):
    """Watches the calls of a gateway."""

    def of_method(self, service: str, method: str, *, streams: bool) -> MethodObserver:
        """Return what watches a method of ours; asked once for each."""
        ...

    def unknown_method(self) -> None:
        """Count a call of a method that there is not; its name is the caller's, and no label."""
        ...


class AttemptFailure(StrEnum):
    """Why an attempt has no answer."""

    CONNECT = "connect"
    """No connection: the service has seen nothing."""
    TIMEOUT = "timeout"
    LOST = "connection_lost"
    UNREADABLE = "unreadable_answer"
    CANCELLED = "cancelled"
    """By the caller, or because the gateway stops."""
    OTHER = "_OTHER"


class UpstreamObserver(Protocol):
    """Watches the requests to the service."""

    def request_begun(self) -> None:
        """Count a REST request, however many attempts it will take."""
        ...

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None:
        """Count an attempt; `method` and the int of `outcome` are those of HTTP."""
        ...

    def retry_withheld(self) -> None:
        """Count a retry that was due and that the retry budget did not pay for."""
        ...


class CredentialEvent(StrEnum):
    """What happens to keys and tokens."""

    REJECTED = "rejected"
    """The service answered 401 to one of them."""
    KEY_SWITCHED = "key_switched"
    """The other key is in use, since the service takes it."""
    KEY_FILE_READ = "key_file_read"
    """The key file has changed and was taken over."""
    KEY_FILE_UNUSABLE = "key_file_unusable"
    TOKEN_RENEWED = "token_renewed"  # noqa: S105 - the name of an event
    TOKEN_NOT_RENEWED = "token_not_renewed"  # noqa: S105 - the name of an event
    CALLER_POLICY_READ = "caller_policy_read"
    """The policy, its tokens or its keys have changed and were taken over."""
    CALLER_POLICY_UNUSABLE = "caller_policy_unusable"
    CALLER_KEYS_UNUSABLE = "caller_keys_unusable"
    """No keys could be had from the URL of the issuer."""


class CredentialObserver(Protocol):
    """Watches keys and tokens."""

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event."""
        ...

    def token_expires(self, at: float) -> None:
        """Take note of the end of the token in use, in seconds of the epoch."""
        ...


class Observer(CallObserver, UpstreamObserver, CredentialObserver, Protocol):
    """Watches all of a gateway."""


class NoopObserver:
    """Looks away from everything."""

    def of_method(self, service: str, method: str, *, streams: bool) -> MethodObserver:  # noqa: ARG002
        return self

    def started(self) -> None: ...

    def message_sent(self) -> None: ...

    def ended(self, code: str, reason: str, seconds: float) -> None: ...

    def unknown_method(self) -> None: ...

    def request_begun(self) -> None: ...

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None: ...

    def retry_withheld(self) -> None: ...

    def credential_event(self, event: CredentialEvent) -> None: ...

    def token_expires(self, at: float) -> None: ...


NOOP_OBSERVER: Observer = NoopObserver()
"""The default: nobody listens."""
