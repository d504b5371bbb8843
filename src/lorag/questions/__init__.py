"""What a question, a fact and a style example are."""
