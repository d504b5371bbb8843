"""What the model is told; the words are in `templates/`, one file a role and purpose."""

import functools
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from lorag.answering.generator import Message, Role
from lorag.digests import digest_of


def base_messages(question: str) -> list[Message]:
    """Asks from memory alone."""
    return _messages("base", question=question)


def tuned_messages(question: str) -> list[Message]:
    """Asks a model that was trained on the documents, from memory alone."""
    return _messages("tuned", question=question)


def rag_messages(question: str, passages: Sequence[str]) -> list[Message]:
    """Asks for an answer from `passages`, given best first; the model reads the best one last, next to the question."""
    return _messages("rag", question=question, passages=list(reversed(passages)))


def rewriting_messages(purpose: str, question: str) -> list[Message]:
    """Asks for `multi_query` paraphrases or a `hyde` passage."""
    return _messages(purpose, question=question)


def prompts_digest() -> str:
    """Names the wording of all prompts."""
    folder = resources.files("lorag.answering") / "templates"
    return digest_of(sorted([item.name, item.read_text("utf-8")] for item in folder.iterdir()))


def _messages(purpose: str, **values: object) -> list[Message]:
    return [
        Message(role, _environment().get_template(f"{purpose}.{role}.jinja").render(**values))
        for role in (Role.SYSTEM, Role.USER)
    ]


@functools.cache
def _environment() -> Environment:
    # Prompts are plain text: escaping as in HTML would change what the model reads.
    return Environment(loader=PackageLoader("lorag.answering"), undefined=StrictUndefined, autoescape=False)
