"""Failures to order: the model, presets, plans, and the faults themselves."""
