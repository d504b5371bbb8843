"""The source folder, and parsers in child processes."""
