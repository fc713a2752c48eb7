"""The serve command: options and their sources, the settings file, running."""
