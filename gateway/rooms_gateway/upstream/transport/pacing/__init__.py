"""Pacing of requests to the rate that the upstream accepts, learned from status 429."""
