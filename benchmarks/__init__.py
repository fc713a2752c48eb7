"""What measures the gateway: faults, soak, load, and whom it is compared with."""
