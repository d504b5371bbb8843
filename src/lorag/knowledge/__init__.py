"""Documents: load, normalise and chunk them, and compare two versions of a corpus."""
