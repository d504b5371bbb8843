"""The served release, and answers from it."""
