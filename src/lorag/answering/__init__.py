"""Prompts, strategies, and citations that code made and checked."""
