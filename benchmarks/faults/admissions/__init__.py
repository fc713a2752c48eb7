"""Admissions, each of which sends several REST requests: their rows, calls and judgement."""
