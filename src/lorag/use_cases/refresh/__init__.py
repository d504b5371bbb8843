"""The refresh, by which the index follows the knowledge."""
