"""Metrics, probes and gates."""

MEASURES_VERSION = 4
"""Raise it with every change to the questions asked, to the rule for right answers, and to any measure.

Version 2 compares by lorag.questions.words, measures the search by the text that the model read and not by chunks,
judges a value without the quote behind it, and computes `map` over the whole ranking. Version 3 sees more ways to
decline, and counts generated and quoted answers apart. Version 4 finds values without a word, such as `""`.
"""
