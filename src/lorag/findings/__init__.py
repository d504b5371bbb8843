"""The conclusions from the measurements: claims, uses and the classic table."""
