"""Processing of calls, from the first byte to the status and the log line."""
