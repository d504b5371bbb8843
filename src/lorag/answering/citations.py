"""The passages that support an answer; code finds and checks them, never the model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.links import links_in
from lorag.answering.passages import Passage
from lorag.answering.words import content_words, numbers
from lorag.knowledge.documents import Chunk

_LINE_ITEM = re.compile(r"\s*(?:[-*+\u2022]\s|\(?\w{1,3}[.)]\s)|.*\S \| \S")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]{0,3}\s+(?=[^\sa-z])|(?<=[\u3002\uff01\uff1f])")


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that supports an answer: `quote` is exactly `chunk.text[start:end]`."""

    document_id: str
    document_version: str
    chunk_id: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Support:
    """The citations of an answer; `complete` if each of its sentences has one."""

    citations: tuple[Citation, ...]
    complete: bool


def find_support(
    answer: str, question: str, passages: Sequence[Passage], versions: Mapping[str, str], min_support: float
) -> Support:
    """Find the best citation for each sentence of the answer, in their order, without repeats.

    A span is a sentence, a list item or a table row that the model read. Its support is the share of the sentence's
    words that the span and its headings contain; a span that lacks a number of the sentence is ruled out. Ties go to
    the span that shares more with the question, then to the better chunk, then to the shorter span. A link in the
    answer is always cited. `passages` come best first. `versions` maps document ids to document versions.
    """
    spans = [
        (rank, passage.chunk, start, end)
        for rank, passage in enumerate(passages)
        for start, end in spans_of(passage.chunk.text)
        if passage.holds(start, end)
    ]
    found: list[Citation] = []
    complete = True
    claims = [answer[start:end] for start, end in spans_of(answer) if content_words(answer[start:end])]
    for claim in claims:
        best = max(
            (
                (_merit(claim, question, chunk, start, end, rank), chunk, start, end)
                for rank, chunk, start, end in spans
            ),
            key=lambda candidate: candidate[0],
            default=None,
        )
        if best is None or best[0][0] <= 0 or best[0][0] < min_support:
            complete = False
            continue
        found.append(_cite(*best[1:], versions))
    for link in sorted(links_in([answer])):
        holding = [(chunk, start, end) for _, chunk, start, end in spans if link in chunk.text[start:end]]
        if holding and not any(link in citation.quote for citation in found):
            found.append(_cite(*holding[0], versions))
    return Support(tuple(dict.fromkeys(found)), complete=bool(claims) and complete)


def is_verified(citation: Citation, chunk: Chunk) -> bool:
    """Whether the citation names this chunk and quotes it exactly."""
    return (
        (citation.document_id, citation.chunk_id) == (chunk.document_id, chunk.id)
        and 0 <= citation.start < citation.end <= len(chunk.text)
        and chunk.text[citation.start : citation.end] == citation.quote
    )


def spans_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each sentence, list item and table row, without the space around it."""
    block_start = 0
    for block in re.split(r"(\n\s*\n)", text):
        yield from _spans_of_block(block, block_start)
        block_start += len(block)


def _cite(chunk: Chunk, start: int, end: int, versions: Mapping[str, str]) -> Citation:
    return Citation(chunk.document_id, versions[chunk.document_id], chunk.id, chunk.text[start:end], start, end)


def _spans_of_block(block: str, offset: int) -> Iterator[tuple[int, int]]:
    lines = block.splitlines(keepends=True)
    by_line = any(_LINE_ITEM.match(line) for line in lines)
    position = 0
    for part in lines if by_line else [block]:
        cuts = [] if by_line else [match.end() for match in _SENTENCE_END.finditer(part)]
        for start, end in zip([0, *cuts], [*cuts, len(part)], strict=True):
            inner = part[start:end]
            if inner.strip():
                left = offset + position + start + len(inner) - len(inner.lstrip())
                yield left, left + len(inner.strip())
        position += len(part)


def _merit(claim: str, question: str, chunk: Chunk, start: int, end: int, rank: int) -> tuple[float, int, int, int]:
    quote = chunk.text[start:end]
    own = content_words(quote)
    known = own | content_words(chunk.context)
    said, asked = content_words(claim), content_words(question)
    if not said & own or not numbers(claim) <= known:
        return 0.0, 0, -rank, start - end
    return len(said & known) / len(said), len(asked & known), -rank, start - end
