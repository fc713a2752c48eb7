"""The parts of the command line that talk to a running gateway."""
