"""Measurements of the gateway and its alternatives: faults, soak, load, speed and cost."""
