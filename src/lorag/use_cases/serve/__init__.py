"""What is served, and answers from it."""
