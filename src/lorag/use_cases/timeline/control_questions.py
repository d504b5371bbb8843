"""The control questions of a walk: what each adapter forgot of the knowledge beside the documents, by its age."""

from collections.abc import Mapping

from lorag.evaluation.answer_measures import is_right
from lorag.evaluation.answer_rows import read_answers, write_answers
from lorag.evaluation.bootstrap import Bootstrap, Estimate, Part
from lorag.evaluation.question_set import Topic
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking.answer_questions import ask_with
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.timeline.earlier_adapters import earlier
from lorag.use_cases.timeline.steps import REFRESH, asked_at, question_set, row_record
from lorag.use_cases.timeline.timeline_walk import Step, Walk


def ask_controls(step: Step, walk: Walk, kind: AdapterKind) -> None:
    """Ask the control questions with each adapter that answered in this step; what is recorded is not asked again.

    An adapter that does not read answers them in every version alike, so it is asked once. A walk over some facts asks
    none. A step that an earlier version of lorag recorded is left as it is, because its index is no longer there.
    """
    at = walk.steps.index(step)
    if walk.facts is not None or any(later.has(REFRESH) for later in walk.steps[at + 1 :]):
        return
    for sha256 in _adapters(step, walk, kind):
        if _place(step, walk, kind, sha256) is None:
            wanted = load_wanted(walk.workspace)
            questions = [question for question in question_set(walk, wanted) if question.topic is Topic.CONTROL]
            folder = AdapterShelf(walk.workspace.adapters).open(sha256)
            rows = ask_with(kind.strategy, questions, wanted, folder, walk.workspace, walk.params)
            write_answers(step.answers(_record(kind, sha256)), rows)
            step.write(_record(kind, sha256), {"adapter_sha256": sha256})


def with_controls(
    figures: Mapping[str, Estimate],
    step: Step,
    walk: Walk,
    strategy: Strategy,
    sha256: str | None,
    bootstrap: Bootstrap,
) -> Mapping[str, Estimate]:
    """Return the figures of a strategy in a step with those of the control questions, if its adapter was asked any."""
    kind = strategy.profile.adapter
    place = _place(step, walk, kind, sha256) if kind and sha256 and figures else None
    if kind is None or sha256 is None or place is None:
        return figures
    rows = read_answers(place.answers(_record(kind, sha256)))
    found = bootstrap.estimate([Part(row.question.fact_id, float(is_right(row))) for row in rows])
    return {**figures, "controls": found} if found else figures


def _adapters(step: Step, walk: Walk, kind: AdapterKind) -> list[str]:
    """Return the adapters that answered in a step, each once."""
    moments = [moment for strategy, moment in asked_at(step, walk) if strategy is kind.strategy]
    served = [step.read(row_record(kind.strategy, moment))["adapter_sha256"] for moment in moments]
    older = [sha256 for _, sha256 in earlier(step, walk, kind)]
    return list(dict.fromkeys(sha256 for sha256 in (*served, *older) if sha256))


def _place(step: Step, walk: Walk, kind: AdapterKind, sha256: str) -> Step | None:
    """Return the step that recorded an adapter's answers; of one that does not read, an earlier step may be it."""
    earlier_steps = [] if kind.reads else walk.steps[: walk.steps.index(step)]
    return next((one for one in (step, *earlier_steps) if one.has(_record(kind, sha256))), None)


def _record(kind: AdapterKind, sha256: str) -> str:
    return f"{kind}_controls_{sha256[:10]}"
