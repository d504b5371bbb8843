"""LanceDB, the embedded store."""
