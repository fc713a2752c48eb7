"""HTTP: the listener, headers and bodies."""
