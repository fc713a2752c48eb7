"""What the exit codes of `serve` and `emulator` mean; 0 is a clean stop, 2 a wrong setting."""

CUT_SHORT = 1
"""A second signal ended what the first had begun."""
CANNOT_LISTEN = 3
NO_CREDENTIAL = 4
CALLS_CUT = 5
"""Calls in flight outlasted the grace of the drain."""
NOT_STARTED = 6
"""A signal came before it served."""
