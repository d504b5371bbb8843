"""The choice of the sentences that answer a question best, without asking a model."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lorag.answering.identifiers import is_about_other, named_in
from lorag.answering.sentence_features import FEATURES, ChosenSentence, EmbedTexts, describe
from lorag.answering.steps import asks_how, steps_near
from lorag.answering.support import name_stems, stems_of
from lorag.answering.tables import header_of
from lorag.answering.words import ADDRESS
from lorag.knowledge.documents import Chunk

WEIGHTS: Mapping[str, float] = {
    "meaning": 5.2,
    "own words": 3.8,
    "words of the headings": 1.3,
    "words before": 0.6,
    "rank": -0.6,
    "code": -0.5,
    "front matter": 4.1,
    "other identifier": -2.5,
    "entry": 2.0,
    "unqualified": -0.8,
    "opposite": -1.0,
    "pointer": -1.0,
    "definition": 1.0,
    "kind": 0.8,
    "reason": 0.7,
    "action": 0.5,
    "short": -0.6,
    "announcement": -1.7,
}
"""The weight of each feature: of two sentences whose scores differ by 1, the better one answers e times as often.

benchmarks/sentence_weights.py fits them on the tuning halves of its questions. Those of "other identifier",
"opposite", "pointer" and "definition", of which it has few examples, were set by hand.
"""

_NEARLY_AS_GOOD = 1.5
"""How much less than the best one a sentence may score to be quoted too."""

_POINTS_BACK = re.compile(
    r"(?:He|She|It|They|His|Her|Its|Their|This|These|Those|That|Such|Both|Here|There|The (?:latter|former))\b"
)
"""How a sentence begins that speaks of what the one before it names."""

_LEAST_TO_QUOTE = 2.9
"""The certainty below which no sentence answers the question.

With the weights of what is missing, it keeps most right quotes for what it declines on the tuning halves of
benchmarks/sentence_weights.py, which shows what other limits would do.
"""

_NAMES_MISSING = 1.4
"""What the best sentence scores less if the names of the question are not in its text: it is about something else.

It does not choose between sentences: of one page, the one that answers often says "it".
"""

_WORDS_MISSING = 3.0
"""What it scores less if no word of the question is in what was found: the documents are about something else."""

_ADDRESS = stems_of(" ".join(ADDRESS))

_TEXT_BEFORE = 300
"""The characters before a sentence in which a name may stand that it speaks of."""


def rank_sentences(question: str, chunks: Sequence[Chunk], embed: EmbedTexts) -> list[ChosenSentence]:
    """Return all sentences of the chunks, which come best first; the sentence that fits the question best is first.

    The score of a sentence is the sum of its features, each times its weight.
    """
    described = describe(question, chunks, embed)
    scores = described.values @ np.array([WEIGHTS[name] for name in FEATURES])
    scored = [replace(each, score=float(score)) for each, score in zip(described.sentences, scores, strict=True)]
    return sorted(scored, key=lambda sentence: -sentence.score)


def choose_quote(question: str, ranked: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the best of the ranked sentences, with the second if it fits nearly as well; none if none fits.

    If the question asks how to do something, all steps of the instruction around the best one, or next to it in its
    chunk, are quoted as one. Another one that ends in a colon comes with what it announces: the next item, row, block
    or sentence of its chunk. One that begins with "he" or "this" comes with the sentence before it, if no second one
    fits; a row of a table with the first row of it; and one that goes on the entry of a setting with its beginning. The
    same words are not quoted twice. Two sentences of one chunk are in the order of its text.
    """
    if not ranked or certainty(question, ranked) < _LEAST_TO_QUOTE:
        return []
    first = ranked[0]
    if asks_how(question) and not first.field and (steps := steps_near(first.chunk.text, first.start, first.end)):
        return [ChosenSentence(first.chunk, *steps, first.score)]
    behind = [each for each in ranked if each.chunk.id == first.chunk.id and each.start >= first.end and not each.field]
    if first.text.endswith(":") and behind:
        return [first, min(behind, key=lambda each: each.start)]
    near = [each for each in ranked[1:] if first.score - each.score <= _NEARLY_AS_GOOD]
    others = [each for each in near if each.text.split() != first.text.split()]
    if (named := named_in(question)) and not is_about_other(first.chunk.context, named):
        # Beside a value of what the question names, one of its namesake would be read as its own.
        others = [each for each in others if not is_about_other(each.chunk.context, named)]
    if first.entry:
        others = [ChosenSentence(first.chunk, *first.entry, first.score)]
    elif not others and (before := _before(first, ranked)):
        others = [before]
    best = [first, *others[:1]]
    in_order = len({each.chunk.id for each in best}) == 1 and not any(each.field for each in best)
    return _with_headers(sorted(best, key=lambda each: each.start) if in_order else best)


def _with_headers(quotes: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the quotes, each row of a table behind the first row of it."""
    found: list[ChosenSentence] = []
    for quote in quotes:
        header = None if quote.field else header_of(quote.chunk.text, quote.start)
        if header and not any(each.chunk.id == quote.chunk.id and each.start == header[0] for each in found):
            found.append(ChosenSentence(quote.chunk, *header, quote.score))
        found.append(quote)
    return found


def certainty(question: str, ranked: Sequence[ChosenSentence]) -> float:
    """Return the score of the best of the ranked sentences, less what is missing of the question.

    That is a part of 1.4 for each name that the best sentence and the text before it lack, and a part of 3 for each
    word that is nowhere in the chunks of the sentences. Words that only address whoever answers do not count.
    """
    best = ranked[0]
    return best.score - what_is_missing(question, best, {each.chunk.id: each.chunk for each in ranked}.values())


def what_is_missing(question: str, best: ChosenSentence, chunks: Iterable[Chunk]) -> float:
    """Return what the best sentence of these chunks scores less than its features say; see `certainty`."""
    own = f"{best.chunk.context}\n{best.text}"
    if not best.field:
        own += f"\n{best.chunk.text[max(0, best.start - _TEXT_BEFORE) : best.start]}"
    found = "\n".join([own, *(chunk.embedded_text for chunk in chunks)])
    return _NAMES_MISSING * _lacking(name_stems(question), own) + _WORDS_MISSING * _lacking(stems_of(question), found)


def _lacking(asked: frozenset[str], text: str) -> float:
    there = stems_of(text)
    wanted = asked - (_ADDRESS - there)
    return len(wanted - there) / len(wanted) if wanted else 0.0


def _before(first: ChosenSentence, ranked: Sequence[ChosenSentence]) -> ChosenSentence | None:
    """Return the sentence directly before this one in its chunk if this one points back, and that one does not."""
    if first.field or not _POINTS_BACK.match(first.text):
        return None
    same = [each for each in ranked if each.chunk.id == first.chunk.id and not each.field]
    before = max((each for each in same if each.end <= first.start), key=lambda each: each.end, default=None)
    return None if before is None or _POINTS_BACK.match(before.text) else before
