"""The speed of the gateway, compared with alternatives: `make bench`."""
