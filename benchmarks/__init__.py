"""What the gateway is measured with and against. Nothing here is part of the package."""
