"""The fault campaign: what three ways to the service do when things go wrong."""
