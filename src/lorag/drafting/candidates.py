"""The sentences of the knowledge that a question can be drafted about."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lorag.answering.citations import quotable_spans
from lorag.answering.words import content_words
from lorag.digests import digest_of
from lorag.drafting.values import Value, find_values
from lorag.knowledge.documents import Chunk

_LEAST_WORDS, _MOST_WORDS = 6, 45
_LEAST_CONTENT = 4
_FUNCTION = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|can|will|must|should|may|does|do|the|a|an|of|to|in|at|by|for|from|with)\b",
    re.I,
)
_LEAST_FUNCTION = 2
_ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\(?\d{1,3}[.)])\s+")
_CODE = re.compile(r"[{}=<>\\]|\w\(|://|^\s*[\w.-]+:\s|\s#\s|^[$>#]\s|[;:]$|\u2192|->")
_DANGLING = re.compile(
    r"^(?:(?:and|but|or|so|also|then|this|that|these|those|it|they|he|she|such|here|there|otherwise|however|therefore|"
    r"both|in this case|for example|for instance|example|e\.g\.|instead|as a result|because of this|note)\b)",
    re.I,
)
"""Begins a sentence that is understood only with the one before."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence at `start:end` of its chunk, with the value that a question about it asks for."""

    chunk: Chunk
    start: int
    end: int
    value: Value

    @property
    def sentence(self) -> str:
        """The sentence, letter by letter."""
        return self.chunk.text[self.start : self.end]

    @property
    def id(self) -> str:
        """A name that depends on the place and the value alone."""
        return f"draft-{digest_of([self.chunk.document_id, self.sentence, self.value.text])[:10]}"


def find_candidates(chunk: Chunk) -> list[Candidate]:
    """Return the sentences of a chunk that say something by themselves, once for each checkable value in them."""
    found = []
    for start, end in quotable_spans(chunk.text):
        sentence = chunk.text[start:end]
        if is_sayable(sentence):
            found += [Candidate(chunk, start, end, value) for value in find_values(sentence, chunk.context)]
    return found


def is_sayable(sentence: str) -> bool:
    """Whether this is a sentence or list item in plain language that is understood below its headings alone."""
    text = _ITEM.sub("", sentence)
    n_words = len(text.split())
    return (
        _LEAST_WORDS <= n_words <= _MOST_WORDS
        and "\n" not in text
        and " | " not in text
        and not _CODE.search(text)
        and not _DANGLING.match(text)
        and len(_FUNCTION.findall(text)) >= _LEAST_FUNCTION
        and len(content_words(text)) >= _LEAST_CONTENT
        and not text.endswith("?")
    )


def order_candidates(chunks: Sequence[Chunk], changed: Collection[str], seed: int) -> Iterator[Candidate]:
    """Yield candidates: those of the `changed` chunks (by id) first, else spread over the documents.

    Of each document comes one sentence after another in turns, and each sentence once before any comes with a second
    value. Which comes first is drawn by hash.
    """
    groups: tuple[dict[str, list[Candidate]], dict[str, list[Candidate]]] = (defaultdict(list), defaultdict(list))
    for chunk in chunks:
        for candidate in find_candidates(chunk):
            groups[0 if chunk.id in changed else 1][chunk.document_id].append(candidate)
    for group in groups:
        drawn = [
            sorted(own, key=lambda each: digest_of([seed, each.id]))
            for _, own in sorted(group.items(), key=lambda item: digest_of([seed, item[0]]))
        ]
        for turn in zip_longest(*drawn):
            yield from (candidate for candidate in turn if candidate is not None)


def _one_value_each(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    seen: set[tuple[int, int]] = set()
    for candidate in candidates:
        if (candidate.start, candidate.end) not in seen:
            seen.add((candidate.start, candidate.end))
            yield candidate
