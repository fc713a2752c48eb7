"""Toward the Rooms service: REST operations, paging, api-versions."""
