"""Prompts, strategies, and citations that code made and checked."""

ANSWERING_VERSION = 1
"""Raise it with every change of what a model reads of the same chunks, and of what becomes of its text."""

GENERATION_VERSION = 1
"""Raise it with every change of what the same model writes to the same messages: no cached text is then stale."""
