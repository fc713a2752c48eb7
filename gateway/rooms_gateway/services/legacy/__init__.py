"""LegacyRoomsService: the operations of the 2022 preview."""
