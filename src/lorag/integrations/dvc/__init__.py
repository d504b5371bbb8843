"""DVC, run in this process."""
