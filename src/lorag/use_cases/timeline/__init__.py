"""The walk through the versions of the knowledge."""
