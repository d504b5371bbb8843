"""The training data of adapters, and the plans and reports of training."""

TRAINING_SET_VERSION = 1
"""Raise it with every change to the pairs that the same material gives."""
