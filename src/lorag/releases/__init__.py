"""The release record, and the choice of the served release."""
