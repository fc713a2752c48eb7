"""The gateway without validation, only to measure the cost of validation."""

from __future__ import annotations

from google.protobuf.message import Message

from rooms_gateway.__main__ import main
from rooms_gateway.server.calls import validation


def _nothing(request: Message) -> None:
    """Accept any request."""


if __name__ == "__main__":
    # Must precede the import of `rooms_gateway.server.calls.handler`, which binds the function.
    validation.validate = _nothing
    main()
