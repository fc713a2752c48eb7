"""Bulk jobs, syncs of rosters, and lists with rosters: their rows, calls and judgement."""
