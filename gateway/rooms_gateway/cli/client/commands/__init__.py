"""The groups of commands: a small client, for hosts without grpcurl."""

from __future__ import annotations
