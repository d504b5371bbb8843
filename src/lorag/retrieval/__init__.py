"""Embed, plan a refresh, search, fuse and rerank."""
