"""This machine: processes, energy and what work costs."""
