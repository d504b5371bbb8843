"""Language models, embedders and rerankers, by file or endpoint."""
