"""What the measurements say: claims, uses and the classic table."""
