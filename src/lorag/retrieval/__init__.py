"""Embed, plan a refresh, search, fuse and rerank."""

SEARCH_VERSION = 1
"""Raise it with every change of what is found for a question in the same index."""
