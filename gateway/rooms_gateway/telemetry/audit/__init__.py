"""The audit log: one line for each call that changes something or issues an access token."""
