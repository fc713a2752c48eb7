"""Toward callers: everything around a handler."""
