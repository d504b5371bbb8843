"""Prefect: server, deployments, events and workers."""
