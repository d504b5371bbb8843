"""The answers of a strategy to each question, as JSON lines: the answers stages write them for the comparison."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lorag.answering.citations import Citation
from lorag.answering.strategies import Answer, AnswerKind, Reason
from lorag.digests import canonical_json
from lorag.errors import IntegrityFailed
from lorag.evaluation.question_set import SetQuestion, Topic


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A question with its answer.

    `retrieved` are the documents that the search found, best first; None for a strategy that does not search, or that
    was given its context.
    """

    question: SetQuestion
    answer: Answer
    retrieved: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, all on one level."""
        question, answer = asdict(self.question), asdict(self.answer)
        question["question"], answer["answer"] = question.pop("text"), answer.pop("text")
        # For a reader, and no measure.
        del answer["newer"]
        return {**question, **answer, "retrieved": self.retrieved}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "AnswerRow":
        """Read what `to_json` returned."""
        return cls(
            SetQuestion(
                id=value["id"],
                topic=Topic(value["topic"]),
                fact_id=value["fact_id"],
                stratum=value["stratum"],
                text=value["question"],
                accepted=tuple(value["accepted"]),
                gold_documents=tuple(value["gold_documents"]),
                gold_chunks=tuple(value["gold_chunks"]),
                pattern=value["pattern"],
            ),
            Answer(
                text=value["answer"],
                citations=tuple(Citation(**citation) for citation in value["citations"]),
                supported=value["supported"],
                abstained=value["abstained"],
                context=tuple(value["context"]),
                prompt_tokens=value["prompt_tokens"],
                generated_tokens=value["generated_tokens"],
                read=tuple(tuple((start, end) for start, end in spans) for spans in value["read"]),
                # A file of an earlier version has none of these: no answer was quoted then.
                kind=AnswerKind(value.get("kind", _earlier_kind(value["abstained"]))),
                reason=Reason(reason) if (reason := value.get("reason")) else None,
                withheld=value.get("withheld"),
                nearest=tuple(Citation(**citation) for citation in value.get("nearest", ())),
            ),
            None if value["retrieved"] is None else tuple(value["retrieved"]),
        )


def _earlier_kind(abstained: bool) -> AnswerKind:
    return AnswerKind.DECLINED if abstained else AnswerKind.GENERATED


def write_answers(path: Path, rows: Sequence[AnswerRow]) -> None:
    """Write one answer a line, in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        file.writelines(canonical_json(row.to_json()) + "\n" for row in rows)


def read_answers(path: Path) -> list[AnswerRow]:
    """Read what `write_answers` wrote; raises IntegrityFailed for a damaged line, or one of an earlier version."""
    rows = []
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.parent.name}/{path.name}:{number}"
            try:
                rows.append(AnswerRow.from_json(json.loads(line)))
            except KeyError as error:
                # An earlier version did not record what the model read, which only asking again can tell.
                raise IntegrityFailed(
                    f"no {error.args[0]!r} in these answers, so another version of lorag wrote them",
                    where=where,
                    do="run `lorag upgrade`, then `lorag compare`, which asks again",
                ) from error
            except (ValueError, TypeError) as error:
                raise IntegrityFailed(
                    f"damaged answers: {error!r}", where=where, do="run the stage again with `dvc repro --force`"
                ) from error
    return rows
