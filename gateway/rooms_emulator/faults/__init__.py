"""Fault injection: the model of a fault, presets, plans, rules, and the faults themselves."""

from __future__ import annotations
