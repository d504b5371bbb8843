"""Great Expectations suites over the pipeline's outputs."""

VALIDATION_VERSION = 1
"""The version of the suites; raise it with every change of the expectations."""
