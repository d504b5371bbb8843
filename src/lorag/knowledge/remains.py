"""What to look for when a document is to be forgotten: its names, and words that no other document has."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lorag.digests import sha256_hex

PHRASE = 5
"""How many words in a row that no other document has show that a text is from the document."""

_MARK = 6
_LONG_MARK = 14
_WORD = re.compile(r"[^\W_]+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_SPACE = re.compile(r"\\[nrtbf\"/\\]")

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Remains:
    """The names of a document, its phrases of five words, and its marks: numbers, codes and very long words.

    Phrases and marks that another document has too are not among them. `text_digests` are the sha256 of the texts that
    were embedded of it.
    """

    names: frozenset[str]
    phrases: frozenset[Phrase] = frozenset()
    marks: frozenset[str] = frozenset()
    text_digests: frozenset[str] = frozenset()

    def are_in(self, text: str) -> bool:
        """Whether a text, also as JSON or HTML, names the document or holds a phrase or a mark of it."""
        plain = _unescaped(text)
        if self._named.search(plain) is not None:
            return True
        if not (self.phrases or self.marks):
            return False
        words = _words(plain)
        return not self.marks.isdisjoint(words) or any(phrase in self.phrases for phrase in _phrases(words))

    def without(self, texts: Iterable[str]) -> "Remains":
        """Return what is left once everything that these texts of other documents have is taken away."""
        phrases, marks = set(self.phrases), set(self.marks)
        for text in texts:
            words = _words(text)
            phrases.difference_update(_phrases(words))
            marks.difference_update(words)
        return replace(self, phrases=frozenset(phrases), marks=frozenset(marks))

    def joined(self, other: "Remains") -> "Remains":
        """Return what is in either."""
        return Remains(
            self.names | other.names,
            self.phrases | other.phrases,
            self.marks | other.marks,
            self.text_digests | other.text_digests,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "names": sorted(self.names),
            "phrases": sorted(" ".join(phrase) for phrase in self.phrases),
            "marks": sorted(self.marks),
            "text_digests": sorted(self.text_digests),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Remains":
        """The inverse of `to_json`; raises KeyError or TypeError on anything else."""
        phrases = frozenset(tuple(phrase.split(" ")) for phrase in value["phrases"])
        return cls(frozenset(value["names"]), phrases, frozenset(value["marks"]), frozenset(value["text_digests"]))

    @cached_property
    def _named(self) -> re.Pattern[str]:
        # The name of `a.md` is neither in `ba.md`, `b/a.md` nor `a.md.txt`.
        each = "|".join(re.escape(name) for name in sorted(self.names, key=len, reverse=True))
        return re.compile(rf"(?<![\w./-])(?:{each})(?![\w/-]|\.\w)")


def remains_of(names: Iterable[str], texts: Iterable[str], embedded: Iterable[str] = ()) -> Remains:
    """Return the names, and all phrases and marks of the texts; `embedded` are the texts that have vectors."""
    phrases: set[Phrase] = set()
    marks: set[str] = set()
    for text in texts:
        words = _words(text)
        phrases.update(_phrases(words))
        marks.update(word for word in words if _is_mark(word))
    digests = frozenset(sha256_hex(text.encode("utf-8", "surrogatepass")) for text in embedded)
    return Remains(frozenset(names), frozenset(phrases), frozenset(marks), digests)


def _is_mark(word: str) -> bool:
    return len(word) >= _LONG_MARK or (len(word) >= _MARK and any(letter.isdigit() for letter in word))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _phrases(words: list[str]) -> Iterator[Phrase]:
    return zip(*(words[start:] for start in range(PHRASE)), strict=False)


def _unescaped(text: str) -> str:
    if "\\" in text:
        text = _SPACE.sub(" ", _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))
    return html.unescape(text) if "&" in text else text
