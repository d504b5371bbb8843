"""One protocol for every vector store, and one file for each store."""
