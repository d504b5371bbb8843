"""The comparison of the strategies, each figure with an interval."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Self

from lorag.evaluation.answer_kinds import count_kinds
from lorag.evaluation.answer_measures import BY_STRATUM, MEASURES, Chunks, parts_of
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap, Estimate, Part
from lorag.evaluation.question_set import Topic, question_set_digest
from lorag.evaluation.retrieval import retrieval_by_question
from lorag.questions.questions import GoldenQuestion
from lorag.strategies import Strategy

IDEAL = "_ideal"
"""The suffix for a strategy that was given the chunks that state the answer, as by an ideal retriever."""

READING = "_reading"
"""The suffix for a strategy that answers from memory, but was asked with the chunks that the search found."""

BESIDE = "_beside"
"""The suffix for a strategy that read the chunks that the search found for control questions, however irrelevant."""

COMPARED = ("accuracy", "exact_match", "f1", "abstention", "controls", "style", "citation_recall")
"""The measures whose differences between strategies are reported."""

SUMMARISED = ("accuracy", "f1", "abstention", "controls", "citation_recall")
"""The measures to show for a strategy where there is room for few."""

Figures = Mapping[str, Estimate]
"""The estimates by the name of the measure; a measure without questions is missing."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The questions asked, and the figures of each strategy.

    `strata` maps a strategy to figures by stratum; `differences` maps `"rag - base"` to the first less the second,
    on the same questions. `retrieval` has the figures of the search itself, None if no strategy searched. `kinds` maps
    a strategy to its number of answers to facts by kind (see `KINDS`); empty in a comparison of an earlier version.
    """

    questions: Mapping[str, int]
    question_set_digest: str
    confidence: float
    strategies: Mapping[str, Figures]
    strata: Mapping[str, Mapping[str, Figures]]
    differences: Mapping[str, Figures]
    retrieval: Figures | None
    kinds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the content of reports/comparison.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; the strategies come in their own order, whatever that of the file is."""
        return cls(
            **{
                **value,
                "strategies": {name: _read_figures(found) for name, found in _in_order(value["strategies"])},
                "strata": {
                    name: {stratum: _read_figures(found) for stratum, found in strata.items()}
                    for name, strata in _in_order(value["strata"])
                },
                "differences": {pair: _read_figures(found) for pair, found in value["differences"].items()},
                "retrieval": None if value["retrieval"] is None else _read_figures(value["retrieval"]),
            }
        )

    def summary(self) -> dict[str, dict[str, float]]:
        """Return a few figures of each strategy as it is served, for reports/summary.json: one table on a screen."""
        return {
            strategy: {name: figures[name].value for name in SUMMARISED if name in figures}
            for strategy, figures in self.strategies.items()
            if not is_variant(strategy)
        }

    def table(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each figure of each strategy, for reports/comparison.csv."""
        for strategy, figures in self.strategies.items():
            yield from _table_rows(strategy, "all", figures)
            for stratum, by_stratum in self.strata[strategy].items():
                yield from _table_rows(strategy, stratum, by_stratum)


def is_variant(name: str) -> bool:
    """Whether the name is that of a strategy that was asked in another way than it is served."""
    return name.endswith((IDEAL, READING, BESIDE))


def compare_answers(
    answers: Mapping[str, Sequence[AnswerRow]], chunks: Chunks, cutoffs: Sequence[int], bootstrap: Bootstrap
) -> Comparison:
    """Compare at least one strategy; all strategies that are not variants answered the same questions."""
    rows = next(iter(answers.values()))
    parts = {
        strategy: {name: parts_of(measure, given, chunks) for name, measure in MEASURES.items()}
        for strategy, given in answers.items()
    }
    return Comparison(
        questions={topic.value: sum(row.question.topic is topic for row in rows) for topic in Topic},
        question_set_digest=question_set_digest([row.question for row in rows]),
        confidence=bootstrap.confidence,
        strategies={strategy: _estimate(found, bootstrap) for strategy, found in parts.items()},
        strata={strategy: _by_stratum(given, chunks, bootstrap) for strategy, given in answers.items()},
        differences={
            f"{second} - {first}": _differences(parts[second], parts[first], bootstrap)
            for first, second in combinations(parts, 2)
        },
        retrieval=_retrieval(answers, cutoffs, bootstrap),
        kinds={strategy: count_kinds(given) for strategy, given in answers.items()},
    )


def _estimate(parts: Mapping[str, Sequence[Part]], bootstrap: Bootstrap) -> dict[str, Estimate]:
    return {name: found for name, given in parts.items() if (found := bootstrap.estimate(given))}


def _by_stratum(rows: Sequence[AnswerRow], chunks: Chunks, bootstrap: Bootstrap) -> dict[str, Figures]:
    names = sorted({row.question.stratum for row in rows if row.question.topic is Topic.FACT})
    within = {name: [row for row in rows if row.question.stratum == name] for name in names}
    return {
        name: _estimate({m: parts_of(MEASURES[m], given, chunks) for m in BY_STRATUM}, bootstrap)
        for name, given in within.items()
    }


def _differences(
    left: Mapping[str, Sequence[Part]], right: Mapping[str, Sequence[Part]], bootstrap: Bootstrap
) -> dict[str, Estimate]:
    return {name: found for name in COMPARED if (found := bootstrap.difference(left[name], right[name]))}


def _retrieval(
    answers: Mapping[str, Sequence[AnswerRow]], cutoffs: Sequence[int], bootstrap: Bootstrap
) -> Figures | None:
    searched = next((rows for rows in answers.values() if any(row.retrieved is not None for row in rows)), None)
    if searched is None:
        return None
    asked = [row for row in searched if row.question.gold_documents]
    golden = [GoldenQuestion(r.question.id, r.question.text, frozenset(r.question.gold_documents)) for r in asked]
    rankings = {row.question.id: row.retrieved or () for row in asked}
    found = retrieval_by_question(golden, rankings, cutoffs)
    facts = {row.question.id: row.question.fact_id for row in asked}
    return _estimate(
        {name: [Part(facts[key], value) for key, value in values.items()] for name, values in found.items()}, bootstrap
    )


def _table_rows(strategy: str, stratum: str, figures: Figures) -> Iterator[dict[str, Any]]:
    for measure, found in figures.items():
        yield {"strategy": strategy, "stratum": stratum, "measure": measure, **asdict(found)}


def _in_order(by_strategy: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the items by strategy, each strategy before its variants, as tables and charts show them."""
    order = list(Strategy)

    def rank(item: tuple[str, Any]) -> tuple[int, str]:
        name = item[0]
        return next((at for at, strategy in enumerate(order) if name.startswith(strategy)), len(order)), name

    return sorted(by_strategy.items(), key=rank)


def _read_figures(value: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(**found) for name, found in value.items()}
