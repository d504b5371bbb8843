"""The unattended operation of lorag."""
