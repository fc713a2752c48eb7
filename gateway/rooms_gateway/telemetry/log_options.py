"""How lines are logged, as the settings say it. Apart from `logs`, which imports protobuf."""

from __future__ import annotations

from enum import StrEnum


class LogLevel(StrEnum):
    """Lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Encoding of log lines."""

    JSON = "json"
    CONSOLE = "console"
