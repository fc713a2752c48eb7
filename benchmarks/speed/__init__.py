"""How fast the gateway is, beside others that do the same work: `make bench`."""
