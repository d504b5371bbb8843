"""Metrics, probes and gates."""

MEASURES_VERSION = 2
"""Raise it with every change of which questions are asked, of which answers are right, and of any measure.

Version 1 measured the search by chunks, and not by what the model read.
"""
