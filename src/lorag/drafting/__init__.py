"""Drafts of questions with known answers: which sentences to ask about, and which questions are good enough to keep."""

DRAFTING_VERSION = 1
"""Raise it if a change to forms, prompts or checks makes other drafts from the same documents."""
