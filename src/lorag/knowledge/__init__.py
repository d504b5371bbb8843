"""Documents: load, normalise, chunk, and tell one version from another."""
