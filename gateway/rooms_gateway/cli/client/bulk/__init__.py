"""Bulk jobs: files of items, and their results."""
