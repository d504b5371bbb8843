"""Great Expectations suites over the pipeline's outputs."""

VALIDATION_VERSION = 1
"""Raise it with every change of the expectations."""
