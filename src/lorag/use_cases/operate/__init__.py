"""lorag runs by itself."""
