"""This machine: its processes, its energy and the cost of work."""
