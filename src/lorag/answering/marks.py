"""The numbers of citations in the text of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with [1] behind what citation 1 supports, and the place of each mark."""

    text: str
    places: tuple[tuple[int, int], ...]


def mark_citations(text: str, citations: Sequence[dict[str, Any]]) -> Marked:
    """Put the number of each citation behind its quote where the text has it, otherwise at the end."""
    ends: list[tuple[int, int]] = []
    for number, citation in enumerate(citations, start=1):
        at = text.find(citation["quote"])
        ends.append((at + len(citation["quote"]) if at >= 0 else len(text), number))
    places: dict[int, tuple[int, int]] = {}
    parts: list[str] = []
    length = position = 0
    for end, number in sorted(ends):
        mark = f" [{number}]"
        parts += [text[position:end], mark]
        length += end - position + len(mark)
        places[number] = (length - len(mark) + 1, length)
        position = end
    return Marked("".join([*parts, text[position:]]), tuple(places[number] for number in sorted(places)))
