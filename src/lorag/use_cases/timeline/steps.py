"""The steps of a walk through the versions of the knowledge; each of them is a task of the flow."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lorag.answering.quotes import split_quote
from lorag.counted import counted
from lorag.evaluation.answer_rows import AnswerRow, read_answers, write_answers
from lorag.evaluation.answers import contains_answer
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.timeline import Change, choose_probes, label_changes, removed_questions, right_facts
from lorag.evaluation.timeline_records import Freshness, Moment
from lorag.integrations.models.generators import open_compared
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import BASELINE, AdapterKind, Strategy, Update
from lorag.use_cases.asking.answer_questions import ask_with
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.question_set import load_question_set
from lorag.use_cases.refresh.steps import RefreshOutcome
from lorag.use_cases.retrain.publish_adapters import newest_release
from lorag.use_cases.retrain.steps import RetrainOutcome
from lorag.use_cases.serve.serve import answer_from, open_served
from lorag.use_cases.timeline.timeline_walk import Step, Walk, install

REFRESH = "refresh"


def retrain_record(kind: AdapterKind) -> str:
    """Return the name of the record of a retrain."""
    return f"retrain_{kind}"


def row_record(strategy: Strategy, moment: Moment) -> str:
    """Return the name of the record of a strategy's answers."""
    return f"{strategy}_{moment}"


def retrained_at(step: Step, walk: Walk) -> list[AdapterKind]:
    """Return the adapters that are trained in the step; the earlier steps have been walked."""
    before = walk.steps[: walk.steps.index(step)]
    kept = [
        kind
        for kind in walk.once
        if any(one.has(name := retrain_record(kind)) and one.read(name)["published"] for one in before)
    ]
    return [kind for kind in walk.adapters if kind not in kept]


def asked_at(step: Step, walk: Walk) -> list[tuple[Strategy, Moment]]:
    """Return the strategies and the moments at which they are asked in the step, in order."""
    refreshed = [
        *(name for name in Strategy if name.profile.adapter is None),
        *(kind.strategy for kind in walk.adapters),
    ]
    retrained = [kind.strategy for kind in retrained_at(step, walk)]
    return [*((name, Moment.REFRESHED) for name in refreshed), *((name, Moment.RETRAINED) for name in retrained)]


def retrained_for(strategy: Strategy, moment: Moment) -> AdapterKind | None:
    """Return the adapter that has to be trained before a strategy is asked; None if there is none."""
    return strategy.profile.adapter if moment is Moment.RETRAINED else None


def apply_change(step: Step, walk: Walk) -> tuple[float, bool]:
    """Install the version; return when that was done, and whether a killed walk had already begun it."""
    begun = step.begin(REFRESH)
    step.write("inputs", {"version": step.version.name, "digest": step.digest})
    install(step.version, walk.root)
    return time.time(), begun


def keep_refresh(step: Step, walk: Walk, outcome: RefreshOutcome, since_s: float, *, begun: bool) -> None:
    """Record a refresh; its seconds are those from the change to the served release."""
    seconds = _seconds_to_release(walk, since_s, published=outcome.published)
    step.write(REFRESH, {**outcome.to_json(), "seconds": seconds, "interrupted": begun})


def keep_retrain(
    step: Step, walk: Walk, kind: AdapterKind, outcome: RetrainOutcome, since_s: float, *, begun: bool
) -> None:
    """Record the retrain of one adapter, whether or not it passed its gate."""
    candidate = next(candidate for candidate in outcome.candidates if candidate.kind == kind)
    value = {
        "seconds": _seconds_to_release(walk, since_s, published=outcome.published),
        "interrupted": begun,
        "published": outcome.published and candidate.publishable,
        "failed_probes": [probe.line() for probe in candidate.failed],
        "sha256": candidate.entry.sha256,
        "cost": candidate.cost.to_json(),
        "mlflow_run_id": outcome.runs.get(kind),
    }
    step.write(retrain_record(kind), value)


def ask(step: Step, walk: Walk, strategy: Strategy, moment: Moment, environment: Mapping[str, str]) -> None:
    """Ask a strategy the step's questions; record the answers and how soon the change was answered.

    If there is no adapter to ask, the reason is recorded instead.
    """
    name = row_record(strategy, moment)
    if step.has(name):
        return
    release, kind = newest_release(walk.workspace), strategy.profile.adapter
    entry = release.adapters.get(kind) if kind else None
    trained = retrained_for(strategy, moment)
    failed = _failed_probes(step, trained) if trained else []
    value: dict[str, Any] = {"adapter_sha256": entry.sha256 if entry else None, "failed_probes": failed}
    if kind and entry is None:
        reason = "its gate refused the adapter, and there is none from before" if failed else "no adapter was trained"
        step.write(name, {**value, "is_stale": False, "missing": reason, "fresh": None})
        return
    folder = AdapterShelf(walk.workspace.adapters).open(entry.sha256) if entry else None
    wanted = load_wanted(walk.workspace)
    rows = ask_with(strategy, questions_of(step, walk, wanted), wanted, folder, walk.workspace, walk.params)
    write_answers(step.answers(name), rows)
    is_stale = kind is not None and (moment is Moment.REFRESHED or bool(failed))
    fresh = _no_freshness(strategy, moment, refused=bool(failed))
    if fresh is None:
        fresh = _measure_freshness(step, walk, strategy, moment, rows, environment)
    step.write(name, {**value, "is_stale": is_stale, "missing": None, "fresh": asdict(fresh)})


def read_rows(step: Step, strategy: Strategy, moment: Moment) -> list[AnswerRow]:
    """Return the recorded answers; none if the strategy could not be asked."""
    path = step.answers(row_record(strategy, moment))
    return read_answers(path) if path.is_file() else []


def valid_questions(step: Step) -> list[SetQuestion]:
    """Return the questions of a step that was answered, without those on facts that the step removed."""
    rows = read_rows(step, BASELINE, Moment.REFRESHED)
    return [row.question for row in rows if row.question.stratum != Change.REMOVED]


def questions_of(step: Step, walk: Walk, wanted: Wanted) -> list[SetQuestion]:
    """Return the questions of a step, with the change of their fact as stratum."""
    valid = [
        q
        for q in question_set(walk, wanted)
        if q.topic is Topic.FACT and (walk.facts is None or q.fact_id in walk.facts)
    ]
    before = walk.before(step)
    asked_before = valid_questions(before) if before else None
    return [*label_changes(valid, asked_before), *removed_questions(valid, asked_before)]


def question_set(walk: Walk, wanted: Wanted) -> list[SetQuestion]:
    """Return the questions of every topic; the limit of a comparison is none of a walk."""
    comparison = walk.params.comparison.model_copy(update={"limit": None})
    return load_question_set(wanted, walk.workspace, walk.params.model_copy(update={"comparison": comparison}))


def _seconds_to_release(walk: Walk, since_s: float, *, published: bool) -> float:
    moved = ReleaseShelf(walk.workspace.state).pointed_at_s() if published else time.time()
    return max(0.0, moved - since_s)


def _failed_probes(step: Step, kind: AdapterKind) -> list[str]:
    failed: list[str] = step.read(retrain_record(kind))["failed_probes"]
    return failed


def _no_freshness(strategy: Strategy, moment: Moment, *, refused: bool) -> Freshness | None:
    """Return why there is nothing to measure; None if there is something."""
    if not strategy.profile.updates:
        return Freshness(None, None, 0, "no change reaches it")
    if Update.REFRESH not in strategy.profile.updates and moment is Moment.REFRESHED:
        return Freshness(None, None, 0, "its adapter is from before the change")
    return Freshness(None, None, 0, "its gate refused the new adapter") if refused else None


def _measure_freshness(
    step: Step, walk: Walk, strategy: Strategy, moment: Moment, rows: list[AnswerRow], environment: Mapping[str, str]
) -> Freshness:
    lucky = right_facts(read_rows(step, BASELINE, Moment.REFRESHED))
    if not strategy.profile.reads:
        lucky |= right_facts(read_rows(step, strategy, Moment.REFRESHED))
    probes = choose_probes(rows, lucky, walk.params.timeline.fresh_questions)
    published = float(step.read(REFRESH)["seconds"])
    if moment is Moment.RETRAINED:
        published += step.read(retrain_record(AdapterKind(strategy)))["seconds"]
    if not probes:
        return Freshness(published, None, 0, "nothing changed that it did not know before")
    asked, seconds = _first_right(strategy, probes, walk, environment)
    if seconds is None:
        return Freshness(
            published, None, asked, f"none of {counted(asked, 'question')} on what changed was answered right"
        )
    return Freshness(published, published + seconds, asked, None)


def _first_right(
    strategy: Strategy, probes: list[SetQuestion], walk: Walk, environment: Mapping[str, str]
) -> tuple[int, float | None]:
    """Return how many questions were asked of the served release, and the seconds until the first right answer."""
    started = time.perf_counter()
    with open_served(walk.workspace, walk.params, environment, adapter=strategy.profile.adapter) as served:
        generator = open_compared(walk.params.generation, served.adapter)
        for number, question in enumerate(probes, start=1):
            answer = answer_from(question.text, strategy, served, generator, walk.params)
            if contains_answer(split_quote(answer.text).value, question.accepted):
                return number, time.perf_counter() - started
    return len(probes), None
