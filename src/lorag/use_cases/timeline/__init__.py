"""The knowledge goes from version to version."""
