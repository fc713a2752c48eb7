"""Prometheus metrics; loaded only with an admin listener, except the histogram."""
