"""One folder or module for each outside system: it translates the system's types and errors, and decides nothing."""
