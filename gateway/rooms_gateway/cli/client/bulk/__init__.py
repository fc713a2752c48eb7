"""Bulk jobs: files of items, files of results, and the progress between them."""
