"""What adapters are trained on, and how."""
