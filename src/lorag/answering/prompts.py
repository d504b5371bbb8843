"""The prompts of the model; their words are in `templates/`, one file for each purpose and role."""

import functools
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from lorag.answering.generator import Message, Role
from lorag.digests import digest_of
from lorag.strategies import BASELINE, Strategy


def closed_book_messages(question: str, strategy: Strategy) -> list[Message]:
    """Ask from memory alone: the base model, or a model with an adapter that answers from its weights.

    An adapter that otherwise reads is asked as the base model is, because it never saw another closed-book prompt.
    """
    answers_from_weights = strategy.profile.adapter is not None and not strategy.profile.reads
    return _messages("tuned" if answers_from_weights else "base", question=question)


def base_messages(question: str) -> list[Message]:
    """Ask the base model from memory alone."""
    return closed_book_messages(question, BASELINE)


def rag_messages(question: str, passages: Sequence[str]) -> list[Message]:
    """Ask for an answer from `passages`, given best first; the model reads the best one last, next to the question."""
    return _messages("rag", question=question, passages=list(reversed(passages)))


def rewriting_messages(purpose: str, question: str) -> list[Message]:
    """Ask for `multi_query` paraphrases or a `hyde` passage."""
    return _messages(purpose, question=question)


def prompts_digest() -> str:
    """Return a digest of the wording of all prompts."""
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
    loader = PackageLoader("lorag.answering")
    return Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # noqa: S701
