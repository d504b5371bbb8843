"""The report of a comparison as one HTML file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lorag.costs.records import Cost
from lorag.params import Params
from lorag.reports.auto_section import auto_section
from lorag.reports.comparison_sections import (
    differences_section,
    method_section,
    quality_section,
    retrieval_section,
    samples_section,
    speed_section,
    strata_section,
)
from lorag.reports.page import Section, render_page
from lorag.reports.summary_section import summary_section
from lorag.use_cases.compare.steps import CompareOutcome
from lorag.workspace import Workspace


def write_report(outcome: CompareOutcome, params: Params, further: Sequence[Section] = ()) -> Path:
    """Write `outcome.report`; `further` sections, such as those on costs, come before the answers side by side."""
    chosen = outcome.chosen
    strata, retrieval = strata_section(outcome.comparison), retrieval_section(outcome.comparison)
    sections = [
        _summary(outcome),
        quality_section(outcome.comparison, standing_lines(outcome)),
        *([strata] if strata else []),
        *([retrieval] if retrieval else []),
        differences_section(outcome.comparison),
        auto_section(outcome.auto),
        _speed(outcome),
        *further,
        samples_section(outcome.rows),
        method_section(_names(outcome, params)),
    ]
    lead = [f"Release {chosen.release.id} of {chosen.release.created_utc}, {', '.join(chosen.strategies)}."]
    if outcome.limit is not None:
        lead.append(f"A sample of at most {outcome.limit} questions, chosen by hash; not the full comparison.")
    outcome.report.parent.mkdir(parents=True, exist_ok=True)
    outcome.report.write_text(
        render_page("RAG, fine-tuning and the hybrid, compared", lead, sections), encoding="utf-8", errors="replace"
    )
    return outcome.report


def keep_result(outcome: CompareOutcome, workspace: Workspace) -> None:
    """Write what `lorag compare --last` shows."""
    workspace.last_comparison.write_text(json.dumps(outcome.to_json()) + "\n", encoding="utf-8")


def standing_lines(outcome: CompareOutcome) -> list[str]:
    """Return a line for each strategy that is missing, was trained, or needs a note."""
    covered = [f"{name}: coverage of its training: {found.line()}" for name, found in outcome.chosen.coverage.items()]
    missing = [f"{name} is left out: {reason}" for name, reason in outcome.chosen.left_out.items()]
    return covered + missing + [f"{name}: {note}" for name, note in outcome.chosen.notes.items()]


def _summary(outcome: CompareOutcome) -> Section:
    seconds: dict[str, float] = {}
    costs: dict[str, tuple[Cost, int]] = {}
    for name in outcome.chosen.strategies:
        speed, batch = outcome.time(name).speed, outcome.batch(name)
        if speed is not None:
            figures = speed.figures()
            seconds |= {name: figures["p50_s"]} if "p50_s" in figures else {}
            costs[name] = (speed.cost, len(speed.timings))
        elif batch is not None and batch.n_queries:
            costs[name] = (batch.cost, batch.n_queries)
    return summary_section(outcome.comparison, seconds, costs)


def _speed(outcome: CompareOutcome) -> Section:
    speeds: dict[str, Mapping[str, float]] = {}
    counts: dict[str, int] = {}
    costs: dict[str, tuple[Cost, int, str]] = {}
    missing: dict[str, str] = {}
    for name in outcome.chosen.strategies:
        timed, batch, source = outcome.time(name), outcome.batch(name), outcome.cost_source(name)
        if timed.speed is not None:
            speeds[name], counts[name] = timed.speed.figures(), len(timed.speed.timings)
            costs[name] = (timed.speed.cost, len(timed.speed.timings), source or "")
        elif batch is not None:
            costs[name] = (batch.cost, batch.n_queries, source or "")
        if timed.reason:
            missing[name] = timed.reason
    return speed_section(speeds, counts, costs, missing)


def _names(outcome: CompareOutcome, params: Params) -> dict[str, str]:
    release = outcome.chosen.release
    return {
        "release": release.id,
        "corpus digest": release.corpus_digest,
        "content digest of the index": release.content_digest,
        **{f"adapter of {name}": sha256 for name, sha256 in outcome.chosen.adapters.items()},
        "questions": f"{params.knowledge.questions}, wording: {params.comparison.wording.value}",
        "digest of the questions": outcome.comparison.question_set_digest,
        "language model": params.generation.model,
        "embedder": params.embedding.model,
        "retriever": params.search.retriever.value,
        "intervals": f"{params.comparison.bootstrap_samples} draws, seed {params.comparison.seed}",
    }
