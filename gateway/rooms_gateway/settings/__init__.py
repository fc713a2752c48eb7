"""Settings: each is declared once, at its field, and checked without reading a file."""

from __future__ import annotations

from rooms_gateway.settings.declaration import Group, Setting, declared, setting
from rooms_gateway.settings.errors import SettingsError
from rooms_gateway.settings.gateway import DEFAULT_LISTEN, Settings
from rooms_gateway.settings.resources import Resources, ResourceSettings, ResourceTerms
from rooms_gateway.settings.upstream import (
    Upstream,
    UpstreamFiles,
    UpstreamSettings,
    make_upstream,
)

__all__ = [
    "DEFAULT_LISTEN",
    "Group",
    "ResourceSettings",
    "ResourceTerms",
    "Resources",
    "Setting",
    "Settings",
    "SettingsError",
    "Upstream",
    "UpstreamFiles",
    "UpstreamSettings",
    "declared",
    "make_upstream",
    "setting",
]
