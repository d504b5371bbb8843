"""Great Expectations on what the pipeline makes."""
