"""The Communication Services resources of a gateway, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rooms_gateway.settings.upstream import UpstreamSettings
from rooms_gateway.upstream.transport.pacing.family_rate import FamilyRate


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTerms:
    """How the gateway uses one resource; the fields are settings."""

    api_version: str
    identity_api_version: str
    upstream_warm_connections: int
    upstream_rate: tuple[FamilyRate, ...]


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """One table [resources.NAME], with the defaults of the top level. No file is read yet."""

    name: str
    upstream: UpstreamSettings
    terms: ResourceTerms


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of a gateway, by name."""

    by_name: Mapping[str, ResourceSettings]
    default: str | None = None
    """The resource of calls that name none; None: they are rejected if there are several."""
