"""Sends REST requests: sign, time out, retry, read."""
