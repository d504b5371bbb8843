"""Metrics, probes and gates."""

MEASURES_VERSION = 2
"""Raise it with every change of which questions are asked, of which answers are right, and of any measure.

Version 2 compares by lorag.questions.words, measures the search by what the model read and not by chunks, judges a
value without the quote behind it, and takes `map` over the whole ranking.
"""
