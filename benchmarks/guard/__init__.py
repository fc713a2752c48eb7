"""The cost of a call, in counts that do not depend on the machine."""
