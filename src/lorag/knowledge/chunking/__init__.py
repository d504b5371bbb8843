"""Documents cut into chunks that fit the embedder, so that a small edit changes few of them."""

from lorag.knowledge.chunking.document import chunk_document
from lorag.knowledge.chunking.tokens import TokenCounter

__all__ = ["TokenCounter", "chunk_document"]
