"""Prompts, strategies, and citations that code makes and checks."""

ANSWERING_VERSION = 10
"""Raise it with every change to the text that a model reads of the same chunks, or to the handling of its answer."""

GENERATION_VERSION = 2
"""Raise it with every change to the text that the same model writes to the same messages, so no cache is stale."""
