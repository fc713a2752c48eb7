"""The Identity REST API, as far as the Rooms quickstart needs it: users and access tokens."""

from __future__ import annotations
