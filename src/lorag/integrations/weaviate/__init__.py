"""Weaviate, the store for several machines."""
