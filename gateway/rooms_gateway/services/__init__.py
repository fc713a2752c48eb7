"""The translation: a message in, a REST operation, a message out."""
