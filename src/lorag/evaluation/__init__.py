"""Metrics, probes and gates."""

MEASURES_VERSION = 1
"""Raise it with every change of which questions are asked, of which answers are right, and of any measure."""
