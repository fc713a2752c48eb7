"""Certificates and keys of listeners: reading, checking, reloading."""
