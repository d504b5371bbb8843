"""Adapters follow the knowledge."""
