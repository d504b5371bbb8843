"""The forecast of a training: what would be trained, how long it takes, and which limits of the gate it cannot meet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import median
from typing import Any

from lorag.counted import counted
from lorag.params import AdapterGateParams
from lorag.questions.coverage import Coverage
from lorag.shares import exact
from lorag.strategies import AdapterKind

RIGHT_WITH_ONE_WORDING = Fraction(106, 215)
"""The largest share of facts that was right after training with one wording each (docs/figures.md, Wikipedia)."""

MEASURED_PARAMETERS = 135_000_000
"""The size of the model that `RIGHT_WITH_ONE_WORDING` was measured with; it proves nothing about much larger ones."""

FEW_FACTS = 5
"""With fewer new facts one right answer more or less decides, so a measured share proves nothing."""

_EVIDENCE = (
    "with one wording for each fact at most 49 % were right (106 of 215 facts, in a small set 2 of 15), with two "
    "phrasings more 77 to 81 % of 269 facts; all with SmolLM2-135M, see docs/figures.md and docs/experiments.md"
)
SHOWN = 5
"""The number of questions that are listed before a training; a plan lists all."""

_SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class PlannedFact:
    """A fact that the gate asks for, and what the training set has of it.

    `n_wordings` counts different training wordings, the question's own included. `is_taught` is False if no pair
    teaches the fact. `is_new` is False if the served adapter was trained on its present answer. `is_literal` says
    that a chunk states the answer, `documents` are the ids of its gold documents.
    """

    id: str
    question: str
    n_wordings: int
    n_held_out: int
    is_taught: bool
    is_new: bool
    is_literal: bool
    documents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A limit of the gate that stands against this training set.

    `is_certain` says that the limit cannot be met, so training would be in vain; otherwise it is only hard to meet.
    `questions` are those that something can be done about, in the order of the file. `evidence` names the measurement
    behind it; empty if it follows from counts alone.
    """

    limit: str
    sentence: str
    is_certain: bool
    questions: tuple[str, ...] = ()
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected seconds and memory (MiB) of the whole retrain, exam included, and the measurement behind them."""

    seconds: float
    memory_mb: float
    basis: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a training would do. `pairs` are training pairs by source; `trains` is False if nothing became stale."""

    adapter: AdapterKind
    pairs: Mapping[str, int]
    n_validation: int
    facts: Sequence[PlannedFact]
    tokens_per_epoch: int
    epochs: int
    estimate: Estimate
    coverage: Coverage
    obstacles: Sequence[Obstacle]
    trains: bool = True

    @property
    def tokens(self) -> int:
        """The tokens of all epochs; a training that stops early reads fewer."""
        return self.tokens_per_epoch * self.epochs

    @property
    def stops(self) -> bool:
        """Whether a limit cannot be met, so that a retrain stops before it trains."""
        return self.trains and any(obstacle.is_certain for obstacle in self.obstacles)

    @property
    def lacking(self) -> list[str]:
        """The questions with one training wording only, in the order of the file."""
        return [fact.question for fact in self.facts if fact.n_wordings < 2]

    def lines(self, shown: int | None = None) -> list[str]:
        """Return the forecast as lines for a person, with at most `shown` questions for each limit; None for all."""
        named = ", ".join(f"{n} {source}" for source, n in self.pairs.items())
        wordings = [fact.n_wordings for fact in self.facts]
        spread = f", wordings of each: {min(wordings)} at least, {median(wordings):g} in the median" if wordings else ""
        minutes = self.estimate.seconds / _SECONDS_A_MINUTE
        lines = [
            f"{self.adapter}: {counted(sum(self.pairs.values()), 'pair')} ({named}), "
            f"{counted(len(self.facts), 'fact')}{spread}",
            f"  {self.tokens_per_epoch:,} tokens an epoch, {self.tokens:,} in at most {self.epochs} epochs",
            f"  about {minutes:.2g} minutes and {self.estimate.memory_mb:,.0f} MB ({self.estimate.basis})",
            f"  coverage: {self.coverage.line()}",
        ]
        if not self.trains:
            lines.append("  nothing became stale, so nothing would be trained")
        for obstacle in self.obstacles:
            lines.append(f"  {'cannot be met' if obstacle.is_certain else 'hard to meet'}: {obstacle.sentence}")
            if obstacle.evidence:
                lines.append(f"    measured: {obstacle.evidence}")
            listed = obstacle.questions[:shown]
            lines += [f"    - {question}" for question in listed]
            if len(obstacle.questions) > len(listed):
                lines.append(f"    and {len(obstacle.questions) - len(listed)} more; `lorag retrain --plan` lists them")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return plain values; docs/json.md lists the keys."""
        wordings = [fact.n_wordings for fact in self.facts]
        return {
            "trains": self.trains,
            "stops": self.stops,
            "pairs": dict(self.pairs),
            "n_validation": self.n_validation,
            "n_facts": len(self.facts),
            "wordings_least": min(wordings, default=0),
            "wordings_median": float(median(wordings)) if wordings else 0.0,
            "without_phrasings": self.lacking,
            "without_held_out_phrasings": [fact.question for fact in self.facts if not fact.n_held_out],
            "tokens_per_epoch": self.tokens_per_epoch,
            "epochs": self.epochs,
            "tokens": self.tokens,
            "minutes": self.estimate.seconds / _SECONDS_A_MINUTE,
            "memory_mb": self.estimate.memory_mb,
            "estimated_from": self.estimate.basis,
            "coverage": self.coverage.to_json(),
            "obstacles": [asdict(obstacle) for obstacle in self.obstacles],
        }


def find_obstacles(
    adapter: AdapterKind,
    facts: Sequence[PlannedFact],
    *,
    n_controls: int,
    n_parameters: int | None,
    params: AdapterGateParams,
) -> list[Obstacle]:
    """Return the limits that cannot be met, then those that are hard to meet.

    What follows from counts alone is certain. That facts with one wording are not learned is a measurement: it counts
    as certain only for models of about the measured size, or of an unknown one, and for `FEW_FACTS` or more.
    `n_controls` are control questions with an answer. Not covered: what depends on the answers of the base model or of
    the served adapter.
    """
    found = [
        *_unmeasured(adapter, facts, params),
        *_new_facts(adapter, facts, n_parameters, params),
        *_steps(facts, n_controls, params),
        *_asked_as_trained(facts),
    ]
    return sorted(found, key=lambda obstacle: not obstacle.is_certain)


def _unmeasured(adapter: AdapterKind, facts: Sequence[PlannedFact], params: AdapterGateParams) -> Iterator[Obstacle]:
    """Yield limits on figures that this exam does not measure: a figure that is missing fails."""
    name = f"adapter_gate.{adapter}"
    if not facts:
        yield Obstacle(
            "gain_over_base", f"no question with an answer is left to ask, so {name} has nothing to judge", True
        )
    if params.min_context_reading is not None and not (adapter.reads and any(fact.is_literal for fact in facts)):
        why = "no chunk states an answer literally" if adapter.reads else "this adapter reads no context"
        yield Obstacle(
            "context_reading", f"{why}, so {name}.min_context_reading is never measured: set it to null", True
        )
    apart = len({fact.documents for fact in facts}) > 1
    if params.max_irrelevant_answered is not None and not (adapter.reads and apart):
        why = "all facts are of the same documents" if adapter.reads else "this adapter reads no context"
        yield Obstacle(
            "irrelevant_answered", f"{why}, so {name}.max_irrelevant_answered is never measured: set it to null", True
        )


def _new_facts(
    adapter: AdapterKind, facts: Sequence[PlannedFact], n_parameters: int | None, params: AdapterGateParams
) -> Iterator[Obstacle]:
    new = [fact for fact in facts if fact.is_new]
    needed = math.ceil(exact(params.min_new_facts) * len(new))
    # An adapter that reads answers from the context, which one wording teaches as well as three.
    if adapter.reads or not needed:
        return
    taught = [fact for fact in new if fact.is_taught]
    reworded = [fact for fact in taught if fact.n_wordings > 1]
    most = math.floor(len(reworded) + RIGHT_WITH_ONE_WORDING * (len(taught) - len(reworded)))
    if len(reworded) >= needed:
        return
    is_like_measured = n_parameters is None or n_parameters < 2 * MEASURED_PARAMETERS
    is_proved = is_like_measured and len(new) >= FEW_FACTS
    lacking = tuple(fact.question for fact in new if fact not in reworded)
    yield Obstacle(
        "new_facts",
        f"new_facts needs {needed} of {len(new)} right, at most {most} can be expected, because "
        f"{counted(len(lacking), 'question has', 'questions have')} no `phrasings` to learn from",
        len(taught) < needed or (most < needed and is_proved),
        lacking,
        _EVIDENCE,
    )


def _steps(facts: Sequence[PlannedFact], n_controls: int, params: AdapterGateParams) -> Iterator[Obstacle]:
    """Yield limits on a loss that are smaller than what one question makes: then none may be lost."""
    n_old = sum(not fact.is_new for fact in facts)
    for name, limit, n, what in (
        ("controls_lost", params.max_control_loss, n_controls, ("control question", "control questions")),
        ("old_facts_lost", params.max_old_loss, n_old, ("fact that did not change", "facts that did not change")),
    ):
        if n and exact(limit) * n < 1:
            why = f"because one is {1 / n:.3f} and the limit {limit:.3f}"
            yield Obstacle(name, f"{name}: of {counted(n, *what)} none may be lost, {why}", False)


def _asked_as_trained(facts: Sequence[PlannedFact]) -> Iterator[Obstacle]:
    without = tuple(fact.question for fact in facts if not fact.n_held_out)
    if without:
        asked = counted(len(facts), "question has", "questions have")
        yield Obstacle(
            "new_facts",
            f"{len(without)} of {asked} no `held_out_phrasings`: the exam asks them in the words that were trained, so "
            "its figures do not show how other words are answered",
            False,
            without,
        )
