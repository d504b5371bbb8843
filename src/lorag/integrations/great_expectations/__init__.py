"""Great Expectations on what the pipeline makes."""

VALIDATION_VERSION = 1
"""Raise it with every change of what is expected."""
