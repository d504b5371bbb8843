"""DVC, in this process."""
