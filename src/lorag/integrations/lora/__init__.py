"""LoRA training with torch and peft."""

LOOP_VERSION = 2
"""The version of the training loop; raise it with every change of its result. Older checkpoints are not continued."""
