"""Questions, facts and style examples."""
