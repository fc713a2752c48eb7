"""Delivery of REST requests: sign, send, time out, retry, read."""
