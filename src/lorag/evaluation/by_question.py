"""What each question of an evaluation got, a JSON line each: git keeps these files, so two revisions can be paired."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from lorag.digests import canonical_json, digest_of
from lorag.errors import IntegrityFailed
from lorag.evaluation.answer_measures import MEASURES
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.question_set import Topic
from lorag.knowledge.documents import Chunk, Document
from lorag.questions.facts import collect_facts, fact_of
from lorag.questions.questions import Question, golden_questions

WANTED: Mapping[Topic, str] = {
    Topic.FACT: "accuracy",
    Topic.UNANSWERABLE: "abstention",
    Topic.CONTROL: "controls",
    Topic.STYLE: "style",
}
"""The measure that says whether an answer to a question of the topic is as wanted."""

_DIGITS = 16

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Searched:
    """A question of the retrieval evaluation.

    `asked` is a digest of its words and accepted answers. `gold` are the documents that answer it, and `ranks` the
    place of each among the documents that a retriever found, from 1, None if it was not found. `missing` names the
    documents that were not there: then nothing was searched. `stated` says that a chunk of `gold` states the answer.
    """

    id: str
    fact_id: str
    asked: str
    gold: tuple[str, ...]
    missing: tuple[str, ...]
    stated: bool
    ranks: Mapping[str, tuple[int | None, ...]]

    def ranking(self, retriever: str) -> list[str]:
        """Return a ranking with each gold document in its place; the documents between have no names."""
        places = {rank: name for name, rank in zip(self.gold, self.ranks[retriever], strict=True) if rank is not None}
        return [places.get(rank, f"\n{rank}") for rank in range(1, max(places, default=0) + 1)]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the plain values of a line; raises KeyError, TypeError or ValueError for others."""
        lists = {name: tuple(value[name]) for name in ("gold", "missing")}
        ranks = {name: tuple(places) for name, places in value["ranks"].items()}
        if any(len(places) != len(lists["gold"]) for places in ranks.values()):
            raise ValueError("not a rank for each gold document")
        return cls(**{**value, **lists, "ranks": ranks})


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of the comparison; `as_wanted` says by strategy whether its answer is as `WANTED` by the topic."""

    id: str
    fact_id: str
    topic: Topic
    asked: str
    as_wanted: Mapping[str, bool]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the plain values of a line; raises KeyError, TypeError or ValueError for others."""
        return cls(**{**value, "topic": Topic(value["topic"]), "as_wanted": dict(value["as_wanted"])})


def list_searched(
    questions: Sequence[Question],
    documents: Sequence[Document],
    chunks: Sequence[Chunk],
    rankings: Mapping[str, Mapping[str, Sequence[str]] | None],
) -> list[Searched]:
    """Return every question that names a document, in the order of the file; `rankings` are by retriever and question.

    A ranking holds document ids, best first; a retriever that was not asked has None.
    """
    golden = {question.id: sorted(question.document_ids) for question in golden_questions(questions, documents)}
    stated = {fact.question.id for fact in collect_facts(questions, documents, chunks)[0] if fact.literal}
    names = {name for document in documents for name in (document.id, *document.sources)}
    rows = []
    for question in questions:
        if not question.gold_doc_ids:
            continue
        gold = golden.get(question.id)
        found = {} if gold is None else {kind: ranks for kind, ranks in rankings.items() if ranks is not None}
        rows.append(
            Searched(
                question.id,
                fact_of(question),
                _digest(question.question, question.answers),
                tuple(gold or question.gold_doc_ids),
                tuple(name for name in question.gold_doc_ids if name not in names),
                question.id in stated,
                {kind: _ranks(gold or (), ranks.get(question.id, ())) for kind, ranks in found.items()},
            )
        )
    return rows


def list_answered(answers: Mapping[str, Sequence[AnswerRow]]) -> list[Answered]:
    """Return the questions that all strategies were asked, in their order; `answers` holds no variants."""
    rows = []
    for given in zip(*answers.values(), strict=True):
        question = given[0].question
        measure = MEASURES[WANTED[question.topic]]
        wanted = {name: measure(row, {}) == (1.0, 1.0) for name, row in zip(answers, given, strict=True)}
        asked = _digest(question.text, (*question.accepted, *filter(None, [question.pattern])))
        rows.append(Answered(question.id, question.fact_id, question.topic, asked, wanted))
    return rows


def write_questions(path: Path, rows: Iterable[Searched | Answered]) -> None:
    """Write one question a line, in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        file.writelines(canonical_json(asdict(row)) + "\n" for row in rows)


def parse_questions(text: str, read: Callable[[Any], Read], *, where: str) -> list[Read]:
    """Read what `write_questions` wrote; raises IntegrityFailed for a damaged line, with the place `where`."""
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            rows.append(read(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityFailed(
                f"damaged line: {error!r}", where=f"{where}:{number}", do="run the stage again and commit its reports"
            ) from error
    return rows


def _digest(text: str, accepted: Sequence[str]) -> str:
    return digest_of([text, list(accepted)])[:_DIGITS]


def _ranks(gold: Sequence[str], ranking: Sequence[str]) -> tuple[int | None, ...]:
    places = {name: rank for rank, name in enumerate(ranking, start=1)}
    return tuple(places.get(name) for name in gold)
