from tests.pages import chunks, documents, facts, params, questions

__all__ = ["chunks", "documents", "facts", "params", "questions"]
