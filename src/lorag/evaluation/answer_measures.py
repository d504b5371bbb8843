"""The parts that one answer adds to each figure of a comparison."""

from collections.abc import Callable, Mapping, Sequence

from lorag.answering.citations import Citation, is_verified
from lorag.answering.declining import is_declined
from lorag.answering.passages import Passage
from lorag.answering.quotes import split_quote
from lorag.answering.strategies import AnswerKind
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.answers import contains_answer, exact_match, token_f1
from lorag.evaluation.bootstrap import Part
from lorag.evaluation.question_set import Topic
from lorag.knowledge.documents import Chunk
from lorag.questions.style import matches_style

Chunks = Mapping[str, Chunk]
"""The indexed chunks by their ids."""

Measure = Callable[[AnswerRow, Chunks], tuple[float, float] | None]
"""The parts that an answer adds to the two sums of a ratio; None if the measure does not count this answer."""


def value_of(row: AnswerRow) -> str:
    """Return the answer without the quote that the model put behind it."""
    return split_quote(row.answer.text).value


def is_right(row: AnswerRow) -> bool:
    """Whether the answer, without the quote that the model put behind it, contains an accepted one.

    A quoted answer, of two sentences at most, is right if they state an accepted one.
    """
    return contains_answer(value_of(row), row.question.accepted)


def has_declined(row: AnswerRow) -> bool:
    """Whether there was nothing to answer from, or the model said that it does not know; a quote never declines."""
    if row.answer.kind is AnswerKind.QUOTED:
        return False
    return row.answer.kind is AnswerKind.DECLINED or is_declined(row.answer.text)


def has_style(row: AnswerRow) -> bool:
    """Whether the answer is in the form that its question asks for."""
    return row.question.pattern is not None and matches_style(row.answer.text, row.question.pattern)


def holds_in_chunk(citation: Citation, chunks: Chunks) -> bool:
    """Whether the quote is found literally at the place that the citation gives."""
    chunk = chunks.get(citation.chunk_id)
    return chunk is not None and is_verified(citation, chunk)


def _of_topic(topic: Topic, value: Callable[[AnswerRow], float]) -> Measure:
    def measure(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
        return (float(value(row)), 1.0) if row.question.topic is topic else None

    return measure


def _quotes_literal(row: AnswerRow, chunks: Chunks) -> tuple[float, float]:
    citations = row.answer.citations
    return sum(holds_in_chunk(citation, chunks) for citation in citations), len(citations)


def _citation_precision(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
    if row.question.topic is not Topic.FACT:
        return None
    return sum(_proves(c, row, chunks) for c in row.answer.citations), len(row.answer.citations)


def _citation_recall(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
    if row.question.topic is not Topic.FACT or not is_right(row):
        return None
    gold = row.question.gold_documents
    return float(any(_proves(c, row, chunks) and c.document_id in gold for c in row.answer.citations)), 1.0


def _proves(citation: Citation, row: AnswerRow, chunks: Chunks) -> bool:
    return holds_in_chunk(citation, chunks) and contains_answer(citation.quote, row.question.accepted)


def _own_quotes(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
    quote = split_quote(row.answer.text).quote
    if quote is None or not row.answer.context:
        return None
    return float(any(quote in " ".join(passage.text.split()) for passage in _read_passages(row, chunks))), 1.0


def _gold_in_context(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
    if row.question.topic is not Topic.FACT or not row.answer.context:
        return None
    return float(_has_read_fact(row, chunks)), 1.0


def _right_when_read(row: AnswerRow, chunks: Chunks) -> tuple[float, float] | None:
    if row.question.topic is not Topic.FACT or not _has_read_fact(row, chunks):
        return None
    return float(is_right(row)), 1.0


def _has_read_fact(row: AnswerRow, chunks: Chunks) -> bool:
    """Whether the model read a gold chunk's accepted answer; a gold chunk without one in its words counts as read."""
    accepted = row.question.accepted
    return any(
        contains_answer(passage.text, accepted) or not contains_answer(passage.chunk.embedded_text, accepted)
        for passage in _read_passages(row, chunks)
        if passage.chunk.id in row.question.gold_chunks
    )


def _read_passages(row: AnswerRow, chunks: Chunks) -> list[Passage]:
    read = zip(row.answer.context, row.answer.read, strict=True)
    return [Passage(chunks[name], spans) for name, spans in read if name in chunks]


def _right_as(kind: AnswerKind) -> Callable[[AnswerRow], float]:
    return lambda row: float(row.answer.kind is kind and is_right(row))


MEASURES: Mapping[str, Measure] = {
    "accuracy": _of_topic(Topic.FACT, is_right),
    "generated_right": _of_topic(Topic.FACT, _right_as(AnswerKind.GENERATED)),
    "quoted_right": _of_topic(Topic.FACT, _right_as(AnswerKind.QUOTED)),
    "exact_match": _of_topic(Topic.FACT, lambda row: exact_match(value_of(row), row.question.accepted)),
    "f1": _of_topic(Topic.FACT, lambda row: token_f1(value_of(row), row.question.accepted)),
    "wrongly_declined": _of_topic(Topic.FACT, has_declined),
    "abstention": _of_topic(Topic.UNANSWERABLE, has_declined),
    "controls": _of_topic(Topic.CONTROL, is_right),
    "style": _of_topic(Topic.STYLE, has_style),
    "citation_precision": _citation_precision,
    "citation_recall": _citation_recall,
    "quotes_literal": _quotes_literal,
    "gold_in_context": _gold_in_context,
    "right_when_read": _right_when_read,
    "own_quotes": _own_quotes,
}
"""The measures, each a share; `DESCRIPTIONS` says of what."""

DESCRIPTIONS: Mapping[str, str] = {
    "accuracy": "of facts: the answer, generated or quoted, holds an accepted one (answer recall)",
    "generated_right": "of facts: the model's own words were shown, and hold an accepted answer",
    "quoted_right": "of facts: one or two sentences were quoted instead, and hold an accepted answer",
    "exact_match": "of facts: the answer is an accepted one and nothing else",
    "f1": "of facts: the overlap in words with an accepted answer",
    "wrongly_declined": "of facts: declined, although the documents hold the answer",
    "abstention": "of questions that nothing answers: declined",
    "controls": "of questions on general knowledge: right",
    "style": "of questions that ask for style: the whole answer is in the wanted form",
    "citation_precision": "of citations: the quote is in the cited chunk and contains an accepted answer",
    "citation_recall": "of right answers: such a quote is from a gold document",
    "quotes_literal": "of citations: the quote is in the cited chunk, letter by letter",
    "gold_in_context": "of facts answered from a context: the text that the model read states the fact",
    "right_when_read": "of facts that this text states: right",
    "own_quotes": "of answers that end with a quote of the model's own: the quote is in the text that the model read",
}

BY_STRATUM = ("accuracy", "exact_match", "f1", "wrongly_declined")
"""The measures that are also reported by stratum."""


def parts_of(measure: Measure, rows: Sequence[AnswerRow], chunks: Chunks) -> list[Part]:
    """Return the parts that the rows add, each under its topic and fact: a control may have the id of a fact."""
    found = ((f"{row.question.topic}:{row.question.fact_id}", measure(row, chunks)) for row in rows)
    return [Part(fact, *sums) for fact, sums in found if sums is not None]
