"""The use cases: what lorag does for its user, called with plain arguments."""
