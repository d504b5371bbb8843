"""Prefect flows, one file for each outcome. A task is a decorator on a call of a use case."""
