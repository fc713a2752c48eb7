"""The command line: flags, environment and files in, exit code out."""

from __future__ import annotations
