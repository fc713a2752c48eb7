"""Lists of rooms with a filter or rosters."""
