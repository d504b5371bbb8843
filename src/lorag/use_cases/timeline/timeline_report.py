"""The timeline that a walk's records give, and its files."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lorag.costs.records import Cost
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.feedback import judge_answer
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline import Change, measure_answers, outdated_answers, removed_questions, right_facts
from lorag.evaluation.timeline_records import (
    NAME,
    AgedRow,
    Freshness,
    Moment,
    Timeline,
    TimelineRow,
    TimelineStep,
)
from lorag.reports.page import Section
from lorag.reports.timeline_plots import plot_freshness, plot_leftovers
from lorag.reports.timeline_section import timeline_section
from lorag.strategies import Strategy
from lorag.use_cases.judge.read_reports import find_timeline
from lorag.use_cases.timeline.control_questions import with_controls
from lorag.use_cases.timeline.earlier_adapters import aged_rows, changed_since
from lorag.use_cases.timeline.steps import (
    REFRESH,
    asked_at,
    read_rows,
    retrain_record,
    retrained_at,
    row_record,
    valid_questions,
)
from lorag.use_cases.timeline.timeline_walk import Step, Walk
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TimelineOutcome:
    """A finished walk, and where its files are; `known` steps had been walked before."""

    timeline: Timeline
    folder: Path
    known: int
    mlflow_run_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag timeline --json` prints; docs/json.md lists its keys."""
        return {
            **self.timeline.to_json(),
            "measure": RULE_ERROR.to_json(),
            "known": self.known,
            "reports": str(self.folder),
            "mlflow_run_id": self.mlflow_run_id,
        }


def assemble(walk: Walk) -> Timeline:
    """Return the timeline that the records give; every step has been walked."""
    comparison = walk.params.comparison
    bootstrap = Bootstrap(comparison.bootstrap_samples, comparison.confidence, comparison.seed)
    steps = []
    for step in walk.steps:
        rows = tuple(_rows(step, walk, bootstrap))
        steps.append(_step(step, walk, rows, bootstrap))
    return Timeline(tuple(steps), walk.limit, comparison.confidence, walk.params.generation.model)


def write_timeline(timeline: Timeline, walk: Walk, workspace: Workspace) -> Path:
    """Write timeline.json, two tables and the charts into the walk's reports, and return their folder.

    A walk over all facts is also copied to the workspace's own reports, where the report of a comparison finds it.
    """
    folder = walk.root / "reports"
    write_tables(timeline, folder)
    if walk.limit is None:
        write_tables(timeline, workspace.reports)
    plot_freshness(timeline).savefig(folder / "timeline.png")
    plot_leftovers(timeline).savefig(folder / "timeline_leftovers.png")
    return folder


def sections(workspace: Workspace) -> list[Section]:
    """Return the sections of a comparison's report on the last walk over all facts; empty if there was none."""
    timeline = find_timeline(workspace)
    return [timeline_section(timeline)] if timeline else []


def write_tables(timeline: Timeline, folder: Path) -> None:
    """Write timeline.json, timeline.csv with every figure, and timeline_accuracy.csv for a plot."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(timeline.to_json(), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
    for name, rows in (("timeline.csv", timeline.table()), ("timeline_accuracy.csv", timeline.accuracies())):
        _write_csv(folder / name, list(rows))


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _step(step: Step, walk: Walk, rows: tuple[TimelineRow, ...], bootstrap: Bootstrap) -> TimelineStep:
    before = walk.before(step)
    valid = valid_questions(step)
    removed = removed_questions(valid, valid_questions(before) if before else None)
    counts = Counter(question.stratum for question in (*valid, *removed))
    records = [REFRESH, *(retrain_record(kind) for kind in retrained_at(step, walk))]
    interrupted = any(step.read(name)["interrupted"] for name in records)
    return TimelineStep(
        step.version.name,
        step.read(REFRESH)["release"],
        dict(counts),
        interrupted,
        rows,
        tuple(_aged(step, walk, bootstrap)),
        changed_since(step, walk),
    )


def _aged(step: Step, walk: Walk, bootstrap: Bootstrap) -> Iterator[AgedRow]:
    for row in aged_rows(step, walk, bootstrap):
        figures = with_controls(row.figures, step, walk, row.strategy, row.adapter_sha256, bootstrap)
        yield replace(row, figures=figures)


def _rows(step: Step, walk: Walk, bootstrap: Bootstrap) -> Iterator[TimelineRow]:
    earlier = walk.steps[: walk.steps.index(step)]
    outdated = outdated_answers(valid_questions(step), [valid_questions(one) for one in earlier])
    before = walk.before(step)
    for strategy, moment in asked_at(step, walk):
        name = row_record(strategy, moment)
        record = step.read(name)
        if record["missing"] and moment is Moment.REFRESHED:
            continue
        answers = read_rows(step, strategy, moment)
        right_before = _right_before(before, strategy) if before else frozenset()
        figures = measure_answers(answers, outdated, right_before, bootstrap)
        yield TimelineRow(
            strategy=strategy,
            moment=moment,
            is_stale=record["is_stale"],
            adapter_sha256=record["adapter_sha256"],
            figures=with_controls(figures, step, walk, strategy, record["adapter_sha256"], bootstrap),
            fresh=Freshness(**record["fresh"]) if record["fresh"] else Freshness(None, None, 0, record["missing"]),
            cost=_cost(step, strategy, moment),
            failed_probes=tuple(record["failed_probes"]),
            missing=record["missing"],
        )


def judged_answers(
    step: Step, walk: Walk, strategy: Strategy, moment: Moment
) -> list[tuple[AnswerRow, dict[str, bool]]]:
    """Return the answers to changed and removed facts of a step, each with what can be said of it."""
    earlier = walk.steps[: walk.steps.index(step)]
    outdated = outdated_answers(valid_questions(step), [valid_questions(one) for one in earlier])
    moved = (Change.CHANGED, Change.REMOVED)
    rows = [row for row in read_rows(step, strategy, moment) if row.question.stratum in moved]
    return [(row, judge_answer(row, reads=strategy.profile.reads, outdated=outdated)) for row in rows]


def _right_before(before: Step, strategy: Strategy) -> frozenset[str]:
    """Return the facts that were right in the strategy's last answers of that step."""
    retrained = read_rows(before, strategy, Moment.RETRAINED)
    return right_facts(retrained or read_rows(before, strategy, Moment.REFRESHED))


def _cost(step: Step, strategy: Strategy, moment: Moment) -> Cost | None:
    """Return the cost of the refresh for a strategy that reads, and of the retrain for one that was retrained."""
    names = [REFRESH] if strategy.profile.reads else []
    if moment is Moment.RETRAINED and (kind := strategy.profile.adapter):
        names.append(retrain_record(kind))
    costs = [Cost.from_json(step.read(name)["cost"]) for name in names]
    return None if not costs else costs[0] if len(costs) == 1 else costs[0].plus(costs[1])
