"""What the measured costs and figures say."""
