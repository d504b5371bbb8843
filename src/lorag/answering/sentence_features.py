"""What can be measured of each sentence that was found for a question, without asking a language model."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lorag.answering.citations import quotable_spans
from lorag.answering.identifiers import (
    dotted_in,
    has_mark,
    head_of,
    is_about_other,
    is_entry,
    is_heading,
    named_in,
    states_name,
)
from lorag.answering.qualifiers import (
    defines,
    gives_reason,
    has_qualifiers,
    is_opposite,
    is_pointer,
    tells_to_do,
    term_of,
)
from lorag.answering.question_fit import asks_for_kind, fits_kind
from lorag.answering.steps import asks_how, is_code
from lorag.answering.tables import stated_by
from lorag.answering.words import ADDRESS, content_words, shared_stems
from lorag.knowledge.chunking.sections import SEPARATOR
from lorag.knowledge.documents import Chunk

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""A function from texts to unit vectors [n, dimension] float32."""

FEATURES = (
    "meaning",  # cosine of the question to the sentence behind its headings
    "own words",  # share of the question's words in the sentence, or in the names of a row's cells, by how rare each is
    "words of the headings",  # share of those that only the headings have
    "words before",  # share of those that only the sentence before has
    "rank",  # of its chunk, from 0
    "code",  # it is code, and the question does not ask how
    "front matter",  # it is a value of the page's front matter whose name the question has
    "other identifier",  # the last heading is another identifier than the one that is named
    "entry",  # it is the entry of an identifier that is named, as in a list of settings, and no code
    "unqualified",  # it lacks the default, minimum or maximum that is asked for
    "opposite",  # it is about undoing what is asked for
    "pointer",  # it says where to read more
    "definition",  # it says what the term is that is asked for
    "kind",  # 1 with a date, amount or name where one is asked for, -1 without; 0 for other questions
    "reason",  # it gives a reason, and the question asks why
    "action",  # it says what to do, and the question asks how
    "short",  # it has less than five words
    "announcement",  # it ends in a colon
)
"""The features of a sentence, in the order of the columns of `Described.values`."""

_NAMED = 2.0
"""The weight of a word that the question writes in backticks or like an identifier, where another word has 1."""

_SHORT = 5
"""Fewer words than this are a label more often than a statement."""

_LABEL = 2
"""A text of at most so many words, all of them the question's, answers nothing."""

_LONGEST_FIELD = 200
"""A longer value of a front matter is a text of its own and no answer."""

_TECHNICAL = frozenset(
    "aliases draft hide_title id layout menu order permalink sidebar_label sidebar_position slug template toc type url "
    "weight".split()
)
"""Names in a front matter that tell a site generator what to do, and a reader nothing."""

_BLANK_LINE = re.compile(r"\n\s*\n")
_ASKS = re.compile(r"\?[\s\"'\u201d\u2019)\]*_]*$")

_IDENTIFIER = re.compile(r"`([^`]+)`|\b(\w*[a-z\d][A-Z_]\w*)")


@dataclass(frozen=True, slots=True)
class ChosenSentence:
    """A sentence, list item, table row or block of code: the place `start:end` in the text of its chunk.

    With `field`, it is that place in the value which the page's front matter has under this name. With `entry`, it goes
    on the entry of an identifier that the question names, which begins with the sentence `entry[0]:entry[1]`.
    """

    chunk: Chunk
    start: int
    end: int
    score: float
    field: str | None = None
    entry: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """The sentence, letter by letter; a value of the front matter stands behind its name."""
        if self.field is not None:
            return f"{self.field}: {self.chunk.metadata[self.field][self.start : self.end]}"
        return self.chunk.text[self.start : self.end]

    @property
    def said(self) -> str:
        """The text with what it leaves out: the names of the cells of a row, the head of the entry that it goes on."""
        if self.field is not None:
            return self.text
        said = stated_by(self.chunk.text, self.start, self.end)
        return f"{head_of(self.chunk.text[slice(*self.entry)])}: {said}" if self.entry else said


@dataclass(frozen=True, slots=True)
class _Place:
    rank: int
    sentence: ChosenSentence

    @property
    def heading(self) -> str:
        return self.sentence.chunk.context


@dataclass(frozen=True, slots=True)
class Described:
    """Sentences with their features: `values` is [n_sentences, n_features] float64."""

    sentences: tuple[ChosenSentence, ...]
    values: NDArray[np.float64]


def describe(question: str, chunks: Sequence[Chunk], embed: EmbedTexts) -> Described:
    """Return the features of all sentences of the chunks, which come best first; see `FEATURES`.

    If the question names identifiers, a sentence that has one of them neither in itself nor in its headings, as a
    whole, is left out; so is one without the question's name with a dot, if others have it, and one that asks. A value
    of a page's front matter counts as a sentence if the question has a word of its name.
    """
    named = named_in(question)
    places = [*_in_entries(_sentences(chunks), named), *_fields(question, chunks)]
    # A page that asks says nothing: "Does it read NoSQL databases?" would support "It reads NoSQL databases".
    asked = content_words(question)
    stating = [
        at for at, place in enumerate(places) if not (_ASKS.search(place.sentence.text) or _says_nothing(place, asked))
    ]
    kept = _naming(named, stating, places)
    kept = _naming(dotted_in(question), kept, places) or kept
    if not kept:
        return Described((), np.zeros((0, len(FEATURES))))
    vectors = embed([question, *(f"{places[at].heading}: {places[at].sentence.said}" for at in kept)])
    cosines = vectors[1:] @ vectors[0]
    words = [_words_of(place.sentence, question) for place in places]
    weights = _weights(question, words)
    rows = []
    for at, cosine in zip(kept, cosines, strict=True):
        above = content_words(places[at].heading)
        own = words[at] | content_words(" ".join(name for name in named if is_heading(places[at].heading, name)))
        before = words[at - 1] if at and _follows(places[at - 1], places[at]) else frozenset()
        shares = [
            sum(weights.get(word, 0.0) for word in sorted(some)) for some in (own, above - own, before - own - above)
        ]
        rows.append([float(cosine), *shares, float(places[at].rank), *map(float, _judged(places[at], question, named))])
    return Described(tuple(places[at].sentence for at in kept), np.array(rows))


def _says_nothing(place: "_Place", asked: frozenset[str]) -> bool:
    """Whether a text is one of its headings again, or a label of words that the question has: `DELETE` alone."""
    own = place.sentence.text.strip()
    if len(own) <= len(place.heading) and own in place.heading.split(SEPARATOR):
        return True
    return len(own.split()) <= _LABEL and not place.sentence.entry and content_words(place.sentence.said) <= asked


def _naming(names: Sequence[str], among: Sequence[int], places: Sequence["_Place"]) -> list[int]:
    texts = {at: f"{places[at].heading}\n{places[at].sentence.said}" for at in among}
    return [at for at, text in texts.items() if all(states_name(text, name) for name in names)]


def _judged(place: "_Place", question: str, named: Sequence[str]) -> Iterator[float]:
    """Yield the features that are judged from the text, in the order of `FEATURES`."""
    text, how, term = place.sentence.text, asks_how(question), term_of(question)
    yield is_code(text) and not how
    yield place.sentence.field is not None
    yield bool(named) and is_about_other(place.heading, named)
    yield not is_code(text) and (place.sentence.entry is not None or any(is_entry(text, name) for name in named))
    yield not has_qualifiers(f"{place.heading}\n{text}", question)
    yield is_opposite(text, question)
    yield is_pointer(text)
    yield term is not None and defines(text, term)
    yield (1 if fits_kind(text, question) else -1) if asks_for_kind(question) else 0
    yield gives_reason(text, question)
    yield how and tells_to_do(text)
    yield len(text.split()) < _SHORT
    yield text.endswith(":")


def _follows(one: "_Place", other: "_Place") -> bool:
    return one.sentence.chunk.id == other.sentence.chunk.id and not other.sentence.field


def _sentences(chunks: Sequence[Chunk]) -> list[_Place]:
    return [
        _Place(rank, ChosenSentence(chunk, start, end, 0.0))
        for rank, chunk in enumerate(chunks)
        for start, end in quotable_spans(chunk.text)
    ]


def _in_entries(places: Sequence[_Place], named: Sequence[str]) -> list[_Place]:
    """Return the places; each sentence that goes on the entry of a named identifier says so.

    An entry goes on up to the end of its paragraph.
    """
    found: list[_Place] = []
    entry: ChosenSentence | None = None
    for place in places:
        own = place.sentence
        if any(is_entry(own.text, name) for name in named):
            entry = own
        elif entry and (own.chunk.id != entry.chunk.id or _BLANK_LINE.search(own.chunk.text, entry.start, own.start)):
            entry = None
        elif entry and not has_mark(own.text):
            place = _Place(place.rank, replace(own, entry=(entry.start, entry.end)))
        else:
            entry = None
        found.append(place)
    return found


def _fields(question: str, chunks: Sequence[Chunk]) -> list[_Place]:
    """Return the values of each page's front matter that the question may be about, once for its best chunk."""
    first = {chunk.document_id: (rank, chunk) for rank, chunk in reversed([*enumerate(chunks)])}
    fields = [
        _Place(rank, ChosenSentence(chunk, 0, len(value), 0.0, name))
        for rank, chunk in first.values()
        for name, value in sorted(chunk.metadata.items())
        if len(value) <= _LONGEST_FIELD and name.casefold() not in _TECHNICAL
    ]
    return [place for place in fields if _named_by(place.sentence, question)]


def _words_of(sentence: ChosenSentence, question: str) -> frozenset[str]:
    """Return the words of a sentence; the name of a field counts as the word of the question that it is a form of."""
    return content_words(sentence.said) | _named_by(sentence, question)


def _named_by(sentence: ChosenSentence, question: str) -> frozenset[str]:
    return shared_stems(sentence.field.replace("_", " "), question) if sentence.field else frozenset()


def _weights(question: str, sentences: Sequence[frozenset[str]]) -> dict[str, float]:
    """Return a weight for each content word of the question; all together are 1.

    A word that only addresses whoever answers has none, unless a sentence has it.
    """
    frequency = Counter(word for words in sentences for word in words)
    named = content_words(" ".join(quoted or written for quoted, written in _IDENTIFIER.findall(question)))
    raw = {
        word: math.log(1 + len(sentences) / max(frequency[word], 1)) * (_NAMED if word in named else 1.0)
        for word in sorted(content_words(question))
        if frequency[word] or word not in ADDRESS
    }
    total = sum(raw.values())
    return {word: weight / total for word, weight in raw.items()}
