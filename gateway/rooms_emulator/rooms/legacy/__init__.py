"""The Rooms REST API of the preview api-version 2022-02-01."""

from __future__ import annotations
