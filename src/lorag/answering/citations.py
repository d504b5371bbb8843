"""The passages that support an answer; code finds and checks them, never the model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.links import links_in
from lorag.answering.passages import Passage
from lorag.answering.steps import is_code
from lorag.answering.support import Verdict, is_claim, judge_claim
from lorag.answering.tables import stated_by
from lorag.answering.words import content_words
from lorag.knowledge.dates import stated_date
from lorag.knowledge.documents import Chunk
from lorag.knowledge.sentences import sentence_starts

_LINE_ITEM = re.compile(r"\s*(?:[-*+\u2022]\s|\(?\w{1,3}[.)]\s)|.*\S \| \S")
_BLOCKS = re.compile(r"(\n\s*\n)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that supports an answer: `quote` is exactly `chunk.text[start:end]`.

    `heading` is the document's title and the headings above the chunk, joined by ` > `. `page_date` is the date
    that the page's front matter states, as YYYY-MM-DD; None without one. With `field`, the quote is from the value that
    the front matter has under this name, and not from the text.
    """

    document_id: str
    document_version: str
    chunk_id: str
    quote: str
    start: int
    end: int
    heading: str = ""
    page_date: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Supported:
    """A sentence of an answer, with the citation of the passage that states it."""

    text: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Support:
    """The sentences of an answer that passages state, in their order, and citations of its links.

    `complete` if there is no other sentence in the answer.
    """

    sentences: tuple[Supported, ...]
    links: tuple[Citation, ...]
    complete: bool

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations, without repeats."""
        return tuple(dict.fromkeys([*(each.citation for each in self.sentences), *self.links]))


def find_support(
    answer: str, question: str, passages: Sequence[Passage], versions: Mapping[str, str], min_support: float
) -> Support:
    """Find the best citation for each sentence of the answer, in their order.

    A span is a sentence, a list item, a table row or a block of code that the model read; `judge_claim` says whether it
    states a sentence of the answer, a row together with the names of its cells. Of several that do, the one that shares
    more with the question is cited, then the one of the better chunk, then the shorter one. A link in the answer is
    always cited. `passages` come best first. `versions` maps document ids to document versions.
    """
    spans = [
        (rank, passage.chunk, start, end)
        for rank, passage in enumerate(passages)
        for start, end in quotable_spans(passage.chunk.text)
        if passage.holds(start, end)
    ]
    asked = content_words(question)

    def merit(claim: str, place: tuple[int, Chunk, int, int]) -> tuple[float, int, int, int]:
        rank, chunk, start, end = place
        judged = judge_claim(claim, question, stated_by(chunk.text, start, end), chunk.context, min_support)
        share = judged.share if judged.verdict is Verdict.STATED else 0.0
        return share, len(asked & content_words(f"{chunk.context}\n{chunk.text[start:end]}")), -rank, start - end

    found: list[Supported] = []
    complete = True
    claims = [answer[start:end] for start, end in quotable_spans(answer) if is_claim(answer[start:end], question)]
    for claim in claims:
        # A path of headings is where something stands, and states nothing itself.
        if " > " in claim and any(claim.strip(" .") in passage.chunk.context for passage in passages):
            complete = False
            continue
        best = max(((merit(claim, place), place) for place in spans), key=lambda each: each[0], default=None)
        if best is None or not best[0][0]:
            complete = False
            continue
        _, chunk, start, end = best[1]
        found.append(Supported(claim, cite(chunk, start, end, versions)))
    cited = [each.citation.quote for each in found]
    links = []
    for link in sorted(links_in([answer])):
        holding = [(chunk, start, end) for _, chunk, start, end in spans if link in chunk.text[start:end]]
        if holding and not any(link in quote for quote in cited):
            links.append(cite(*holding[0], versions))
            cited.append(links[-1].quote)
    return Support(tuple(found), tuple(links), complete=bool(claims) and complete)


def is_verified(citation: Citation, chunk: Chunk) -> bool:
    """Whether the citation names this chunk and quotes it exactly."""
    text = _text_of(chunk, citation.field)
    return (
        (citation.document_id, citation.chunk_id) == (chunk.document_id, chunk.id)
        and 0 <= citation.start < citation.end <= len(text)
        and text[citation.start : citation.end] == citation.quote
    )


def cite(chunk: Chunk, start: int, end: int, versions: Mapping[str, str], field: str | None = None) -> Citation:
    """Return the citation of that place in the chunk's text, or in the value of a `field` of the front matter."""
    return Citation(
        document_id=chunk.document_id,
        document_version=versions[chunk.document_id],
        chunk_id=chunk.id,
        quote=_text_of(chunk, field)[start:end],
        start=start,
        end=end,
        heading=chunk.context,
        page_date=stated_date(chunk.metadata),
        field=field,
    )


def _text_of(chunk: Chunk, field: str | None) -> str:
    return chunk.text if field is None else chunk.metadata.get(field, "")


def spans_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each sentence, list item and table row, without the space around it."""
    block_start = 0
    for block in _BLOCKS.split(text):
        yield from _spans_of_block(block, block_start)
        block_start += len(block)


def quotable_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each sentence, list item, table row, line of code, and whole block of code in fences."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    ends = [_line_end(text, at) for at in fences[1::2]] + [len(text)] * (len(fences) % 2)
    position = 0
    for start, end in zip(fences[::2], ends, strict=True):
        yield from _moved(text[position:start], position)
        yield start, end
        position = end
    yield from _moved(text[position:], position)


def _spans_of_block(block: str, offset: int, *, by_line: bool = False) -> Iterator[tuple[int, int]]:
    lines = block.splitlines(keepends=True)
    by_line = by_line or any(_LINE_ITEM.match(line) for line in lines)
    position = 0
    for part in lines if by_line else [block]:
        cuts = [] if by_line else list(sentence_starts(part))
        for start, end in zip([0, *cuts], [*cuts, len(part)], strict=True):
            inner = part[start:end]
            if inner.strip():
                left = offset + position + start + len(inner) - len(inner.lstrip())
                yield left, left + len(inner.strip())
        position += len(part)


def _moved(text: str, by: int) -> Iterator[tuple[int, int]]:
    block_start = by
    for block in _BLOCKS.split(text):
        # A line of code is not cut where a comment in it ends a sentence.
        yield from _spans_of_block(block, block_start, by_line=is_code(block))
        block_start += len(block)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
