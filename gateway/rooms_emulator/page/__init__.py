"""The page of the emulator for browsers, at `/_emulator/`."""
