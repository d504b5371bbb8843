"""Who forms questions, the question that is offered for a candidate, and what forms share."""

from dataclasses import dataclass
from enum import StrEnum


class Writers(StrEnum):
    """Who may form questions: fixed forms alone, the model alone, or the model where no form gives a good one."""

    FORMS = "forms"
    MODEL = "model"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question for a candidate, and other wordings of it, which are still to be checked."""

    question: str
    wordings: tuple[str, ...] = ()


def is_name(word: str) -> bool:
    """Whether a word keeps its capital: an acronym or an identifier."""
    return any(letter.isupper() for letter in word[1:]) or "_" in word


def capital(text: str) -> str:
    """Return the text with a capital at its start."""
    return text[:1].upper() + text[1:]
