"""The cost of updates and queries, in resources and in money."""
