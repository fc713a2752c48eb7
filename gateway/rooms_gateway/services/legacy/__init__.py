"""LegacyRoomsService: the operations of the 2022 preview, translated to the stable REST API."""
