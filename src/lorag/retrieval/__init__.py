"""Embed, plan a refresh, search, fuse and rerank."""

SEARCH_VERSION = 2
"""Raise it with every change of what is found for a question in the same index."""
