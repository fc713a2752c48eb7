"""Authentication of requests: access keys and bearer tokens."""
