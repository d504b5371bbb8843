"""All strategies answer the same questions."""
