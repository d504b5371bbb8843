"""Metrics, probes and gates."""
