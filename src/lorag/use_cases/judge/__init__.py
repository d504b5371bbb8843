"""The conclusions from measured costs and figures."""
