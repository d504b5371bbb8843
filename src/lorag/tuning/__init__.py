"""What adapters are trained on, and how."""

TRAINING_SET_VERSION = 1
"""Raise it with every change of what pairs are made of the same material."""
