"""The serve command: its options, sources of settings, and the process."""
