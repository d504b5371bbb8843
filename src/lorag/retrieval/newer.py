"""The order of hits that tell the same at different times: the newer one goes first, and the older one is left out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from lorag.knowledge.chunking.sections import SEPARATOR
from lorag.knowledge.documents import Chunk
from lorag.knowledge.succession import Dated, Succession, successions, when
from lorag.retrieval.asked_time import AskedTime, asked_time, without_time
from lorag.retrieval.index.store import Hit
from lorag.retrieval.terms import index_terms, query_terms

SAME_PAGE = 0.5
"""The likeness of two passages that shows one page at two dates, if at least half of the older ones have such a one."""

SAME_MATTER = 0.2
"""The likeness from which a passage of a newer page replaces one that has few words of the question, or none."""

SAME_PLACE = 0.3
"""The likeness from which it also takes the place of the older one among the hits."""


@dataclass(frozen=True, slots=True)
class _Passage:
    """The time of a hit's page, the words of the hit, and those of the question that it or its path has."""

    page: Dated
    words: frozenset[str]
    asked: frozenset[str]


class _Pair(NamedTuple):
    """The places of two passages, the older one first, and their likeness from 0 to 1."""

    old: int
    new: int
    likeness: float


def prefer_newer(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits, best first, with one passage in place of several that tell the same at different times.

    Of passages that are alike, from pages that succeed one another, the newest takes the place and the score of the
    best, and the others are left out. It has to have each word of the question that the others have, so a page about
    something else stays, however old. If the question names a version or a date, the newest passage that is not later
    goes first and none is left out; if it asks for the past in other words, the order stays. A hit that stays beside a
    newer one names its page.
    """
    pages = {hit.chunk.document_id: _page_of(hit.chunk) for hit in hits}
    reasons = successions([*pages.values()])
    if not reasons:
        return list(hits)
    terms = frozenset(query_terms(without_time(question)))
    passages = [_passage(hit.chunk, pages, terms) for hit in hits]
    pairs = [*_pairs(passages, reasons)]
    newest = _preferences(pairs, AskedTime(), passages, len(terms))
    documents = [hit.chunk.document_id for hit in hits]
    noted = [
        replace(hit, newer=documents[last] if last != at else None)
        for at, (hit, (last, _)) in enumerate(zip(hits, newest, strict=True))
    ]
    asked = asked_time(question)
    if asked.past:
        return noted
    chosen = _preferences(pairs, asked, passages, len(terms)) if asked.is_named else newest
    places = list(range(len(hits)))
    for at, (best, is_alike) in enumerate(chosen):
        if is_alike:
            places[best] = min(places[best], at)
    # A passage that takes the place of another one comes right before it.
    order = sorted(range(len(hits)), key=lambda at: (places[at], places[at] == at))
    left = {last for last, _ in newest}
    kept = order if asked.is_named else [at for at in order if at in left]
    return [replace(noted[at], score=hits[places[at]].score) for at in kept]


def _page_of(chunk: Chunk) -> Dated:
    return when(chunk.document_id, chunk.context.split(SEPARATOR)[0], chunk.metadata)


def _passage(chunk: Chunk, pages: Mapping[str, Dated], terms: frozenset[str]) -> _Passage:
    words = frozenset(index_terms(chunk.text)[0])
    around = index_terms(f"{chunk.context} {chunk.document_id}")[0]
    return _Passage(pages[chunk.document_id], words, terms & (words | frozenset(around)))


def _pairs(passages: Sequence[_Passage], reasons: Mapping[tuple[str, str], Succession]) -> Iterator[_Pair]:
    """Yield each two passages of pages of which one is a later state of the other."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, passage in enumerate(passages):
        places[passage.page.id].append(at)
    for (old, new), reason in reasons.items():
        pairs = [[_Pair(at, to, _likeness(passages[at], passages[to])) for to in places[new]] for at in places[old]]
        n_alike = sum(any(pair.likeness >= SAME_PAGE for pair in row) for row in pairs)
        if reason is not Succession.DATE or n_alike >= len(pairs) / 2:
            yield from chain.from_iterable(pairs)


def _likeness(one: _Passage, other: _Passage) -> float:
    """Return the share of the words of both that both have (Jaccard 1901)."""
    both = len(one.words & other.words)
    return both / (len(one.words) + len(other.words) - both) if one.words or other.words else 1.0


def _preferences(
    pairs: Sequence[_Pair], asked: AskedTime, passages: Sequence[_Passage], n_terms: int
) -> list[tuple[int, bool]]:
    """Return for each passage the place of the one that is preferred to it at that time, and whether it goes there.

    That of a passage that none is preferred to is its own.
    """
    best: dict[int, _Pair] = {}
    for pair in pairs:
        if asked.is_before(passages[pair.new].page):
            pair = _Pair(pair.new, pair.old, pair.likeness)
        less, more = passages[pair.old], passages[pair.new]
        is_about = pair.likeness >= SAME_MATTER or len(less.asked) >= n_terms / 2
        if asked.is_before(more.page) or not less.asked <= more.asked or not is_about:
            continue
        if pair.old not in best or pair.likeness > best[pair.old].likeness:
            best[pair.old] = pair
    return [_end(at, best) for at in range(len(passages))]


def _end(at: int, best: Mapping[int, _Pair]) -> tuple[int, bool]:
    """Return the end of a chain; where pages contradict each other, the last one that is not passed."""
    seen, is_alike = {at}, True
    while (pair := best.get(at)) is not None and pair.new not in seen:
        at = pair.new
        is_alike = is_alike and pair.likeness >= SAME_PLACE
        seen.add(at)
    return at, is_alike
