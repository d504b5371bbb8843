"""What the other use cases stand on: artifacts of the pipeline, searches and answers."""
