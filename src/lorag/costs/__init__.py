"""What an update or a query cost, and in money."""
