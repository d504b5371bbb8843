"""The HTTP service that answers from the served release."""
