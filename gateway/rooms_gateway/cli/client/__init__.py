"""Commands that call a gateway."""
