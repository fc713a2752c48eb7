"""Helpers of the tests: gateways, upstreams, clients and certificates."""
