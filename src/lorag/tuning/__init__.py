"""The training data of adapters, and the plans and reports of training."""

TRAINING_SET_VERSION = 3
"""Raise it with every change to the pairs that the same material gives.

Version 2 searches for contexts with rewritten questions if `search.rewriting` is set.
"""
