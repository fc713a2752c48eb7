"""The fault campaign: how three clients of the Rooms service handle injected faults."""
