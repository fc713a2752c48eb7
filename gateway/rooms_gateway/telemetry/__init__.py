"""Logs, metrics, traces and redaction.

The rest of the gateway depends on the protocols in `observers` and `traces` only; the composition
root provides the implementations. A gateway without an admin listener therefore loads no metrics,
and two gateways in one process share none.
"""
