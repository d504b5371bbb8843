"""The index follows the knowledge."""
