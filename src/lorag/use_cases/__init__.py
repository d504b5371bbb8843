"""What lorag does for its user, by plain arguments."""
