"""The parts that other use cases share: artifacts of the pipeline, searches and answers."""
