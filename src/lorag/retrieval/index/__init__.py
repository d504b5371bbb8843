"""The protocol that every vector store implements."""
