"""Two evaluations, paired question by question: what was lost beyond chance, and which gold passages vanished."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from lorag.evaluation.bootstrap import Bootstrap, Estimate, Part, share_interval
from lorag.evaluation.by_question import WANTED, Answered, Searched
from lorag.evaluation.question_set import Topic
from lorag.evaluation.retrieval import retrieval_by_question
from lorag.questions.questions import GoldenQuestion
from lorag.strategies import Strategy

SEARCH = "search"
"""The name of what is measured by the retrieval evaluation; other figures have that of their strategy."""


class Gone(StrEnum):
    """The way in which a gold passage vanished."""

    DOCUMENT = "the document is gone"
    STATEMENT = "the document no longer states the answer"


@dataclass(frozen=True, slots=True)
class Vanished:
    """A question whose source was there before and is not there now."""

    question: str
    document: str
    what: Gone


@dataclass(frozen=True, slots=True)
class Pairing:
    """The ids of the questions that are compared, and counts of those that are not.

    `edited` have the same id and other words or accepted answers; they are compared only across corpora. `unusable`
    would be compared, but lack a document on one side.
    """

    compared: tuple[str, ...]
    edited: int
    only_before: int
    only_now: int
    unusable: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts."""
        return {**asdict(self), "compared": len(self.compared)}


@dataclass(frozen=True, slots=True)
class CheckedFigure:
    """A figure over the same questions before and now.

    `difference` is now less before, with its paired interval. `lost_share` is the share of the questions that got less
    than before, with its score interval, which has a width even if none did. `lost` and `gained` are ids.
    """

    of: str
    measure: str
    before: float
    now: float
    difference: Estimate
    lost_share: Estimate
    lost: tuple[str, ...]
    gained: tuple[str, ...]

    @property
    def is_loss(self) -> bool:
        """Whether it fell by more than chance among these questions explains."""
        return self.difference.high < 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "is_loss": self.is_loss}


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """The search or the answers: the questions that are compared, and the figures over them."""

    questions: Pairing
    figures: tuple[CheckedFigure, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"questions": self.questions.to_json(), "figures": [figure.to_json() for figure in self.figures]}


def check_search(
    before: Sequence[Searched],
    now: Sequence[Searched],
    retrievers: tuple[str, str],
    cutoffs: Sequence[int],
    bootstrap: Bootstrap,
    *,
    across: bool,
) -> CheckedPart:
    """Compare what the search found; `retrievers` are the ones in use before and now.

    With `across`, questions are paired by their id alone, whatever their words and answers are now.
    """
    pairing = pair_questions(*({row.id: row.asked for row in rows} for rows in (before, now)), across=across)
    sides = [*zip((before, now), retrievers, strict=True)]
    usable = [{row.id for row in rows if kind in row.ranks} for rows, kind in sides]
    compared = tuple(name for name in pairing.compared if name in usable[0] & usable[1])
    pairing = replace(pairing, compared=compared, unusable=len(pairing.compared) - len(compared))
    if not compared:
        return CheckedPart(pairing, ())
    facts = {row.id: row.fact_id for row in now}
    then, today = (_search_values(rows, kind, compared, cutoffs) for rows, kind in sides)
    figures = (_compare(SEARCH, name, found, today[name], facts, bootstrap) for name, found in then.items())
    return CheckedPart(pairing, tuple(figures))


def check_answers(
    before: Sequence[Answered], now: Sequence[Answered], bootstrap: Bootstrap, *, across: bool
) -> CheckedPart:
    """Compare the answers of each strategy that answered before and now; see `check_search`."""
    # A control may have the id of a fact.
    rows = [{f"{row.topic}:{row.id}": row for row in given} for given in (before, now)]
    asked = ({name: row.asked for name, row in given.items()} for given in rows)
    pairing = pair_questions(*asked, across=across)
    facts = {name: f"{row.topic}:{row.fact_id}" for name, row in rows[1].items()}
    figures = []
    for strategy in Strategy:
        for topic in Topic:
            named = [name for name in pairing.compared if rows[1][name].topic is topic]
            then, today = (
                {name: float(given[name].as_wanted[strategy]) for name in named if strategy in given[name].as_wanted}
                for given in rows
            )
            if then and today:
                figures.append(_compare(strategy, WANTED[topic], then, today, facts, bootstrap))
    return CheckedPart(pairing, tuple(figures))


def pair_questions(before: Mapping[str, str], now: Mapping[str, str], *, across: bool) -> Pairing:
    """Return the pairing of two sets of questions, each given as a digest by id; the order is that of now."""
    both = [name for name in now if name in before]
    edited = [name for name in both if before[name] != now[name]]
    compared = both if across else [name for name in both if before[name] == now[name]]
    return Pairing(tuple(compared), len(edited), len(before) - len(both), len(now) - len(both))


def find_vanished(before: Sequence[Searched], now: Sequence[Searched]) -> list[Vanished]:
    """Return the sources that were there before, of the questions that are still asked."""
    return list(_vanished(before, {row.id: row for row in now}))


def _vanished(before: Sequence[Searched], now: Mapping[str, Searched]) -> Iterator[Vanished]:
    for then in before:
        row = now.get(then.id)
        if row is None or then.missing:
            continue
        if row.missing:
            yield from (Vanished(row.id, name, Gone.DOCUMENT) for name in row.missing)
        elif then.stated and not row.stated and then.asked == row.asked:
            yield Vanished(row.id, ", ".join(row.gold), Gone.STATEMENT)


def _search_values(
    rows: Sequence[Searched], retriever: str, names: Collection[str], cutoffs: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Return nDCG and recall by measure and question."""
    asked = [row for row in rows if row.id in set(names)]
    golden = [GoldenQuestion(row.id, "", frozenset(row.gold)) for row in asked]
    found = retrieval_by_question(golden, {row.id: row.ranking(retriever) for row in asked}, cutoffs)
    return {name: values for name, values in found.items() if name.startswith(("ndcg", "recall"))}


def _compare(
    of: str,
    measure: str,
    before: Mapping[str, float],
    now: Mapping[str, float],
    facts: Mapping[str, str],
    bootstrap: Bootstrap,
) -> CheckedFigure:
    """Compare the values of the same questions; `facts` maps them to what is drawn together."""
    parts = [[Part(facts[name], values[name]) for name in before] for values in (now, before)]
    difference = bootstrap.difference(*parts)
    if difference is None:
        raise ValueError("nothing can be compared without questions")
    lost = tuple(name for name in before if now[name] < before[name])
    gained = tuple(name for name in before if now[name] > before[name])
    then, today = (sum(values.values()) / len(values) for values in (before, now))
    share = share_interval(len(lost), len(before), bootstrap.confidence)
    return CheckedFigure(of, measure, then, today, difference, share, lost, gained)
