"""LoRA training with torch and peft."""

LOOP_VERSION = 2
"""Raise it with every change of the loop that changes its result: no checkpoint of an earlier one is continued."""
