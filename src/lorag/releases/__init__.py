"""The release record, and which release is served."""
