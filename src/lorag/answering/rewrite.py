"""The rewriting of a question by the generator before the search."""

import re
from collections.abc import Iterable

from lorag.answering.generator import LanguageModel, drain
from lorag.answering.prompts import rewriting_messages
from lorag.params import Rewriting
from lorag.questions.words import normalise

PARAPHRASES = 3
MAX_NEW_TOKENS = 96
"""Room for three questions, or for a short passage."""

_MAX_CHARACTERS = 1_000
_MARKER = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,2}[.):]|[Qq]uestion\s*\d*\s*:|[Pp]assage\s*:)\s*")


def rewrite_question(question: str, mode: Rewriting, generator: LanguageModel) -> list[str]:
    """Return the question itself, then further texts to search for, without repeats.

    `multi_query` adds up to three paraphrases (one line each; lines that are not questions are dropped), `hyde` one
    made-up passage that would answer it (Gao et al., ACL 2023). The text of the model is searched for, never shown.
    """
    if mode is Rewriting.NONE:
        return [question]
    messages = rewriting_messages(mode, question)
    return queries_from(question, mode, drain(generator.stream(messages, max_new_tokens=MAX_NEW_TOKENS)).text)


def queries_from(question: str, mode: Rewriting, written: str) -> list[str]:
    """Return what `rewrite_question` returns, from the text that a model has written."""
    if mode is Rewriting.HYDE:
        return _without_repeats([question, " ".join(_unmarked(written).split())[:_MAX_CHARACTERS]])
    lines = (_unmarked(line) for line in written.splitlines())
    # A small model chats around its list, and its last line may have been cut off.
    questions = [line for line in lines if line.endswith(("?", "\uff1f")) and len(line) <= _MAX_CHARACTERS]
    return _without_repeats([question, *questions])[: 1 + PARAPHRASES]


def _unmarked(line: str) -> str:
    return _MARKER.sub("", line).strip().strip("\"'\u201c\u201d").strip()


def _without_repeats(texts: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    for text in texts:
        key = normalise(text)
        if key or not seen:
            seen.setdefault(key, text)
    return list(seen.values())
