"""Documents cut into chunks that fit the embedder, so that a small edit changes few of them."""

from lorag.knowledge.chunking.document import chunk_document
from lorag.knowledge.chunking.tokens import TokenCounter

__all__ = ["CHUNKER_VERSION", "TokenCounter", "chunk_document"]

CHUNKER_VERSION = 2
"""Raise it with every change of what the chunkers give: no cached chunk is then stale, and the stages run again."""
