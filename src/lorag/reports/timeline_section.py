"""The section of a report on a walk through the versions."""

from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline import MEASURES
from lorag.evaluation.timeline_records import Timeline, TimelineRow, TimelineStep
from lorag.reports.page import Section, Table
from lorag.reports.timeline_plots import plot_freshness, plot_leftovers


def timeline_section(timeline: Timeline) -> Section:
    """Return the charts, a table for each version, and what the figures mean."""
    versions = ", ".join(step.version for step in timeline.steps)
    said = [
        f"The knowledge went through {versions}. Each change was followed by the refresh, then the retrains. "
        f"In brackets the {timeline.confidence:.0%} interval, by bootstrap over facts.",
        "Served after: seconds from the change to the release that was asked, without the walk's own measuring. A "
        "retrain comes after the refresh and is added to it, without the retrain of the other adapter. Fresh after: "
        "seconds to its first right answer on what changed, with the loading of models.",
        RULE_ERROR.line(),
    ]
    if timeline.limit is not None:
        said.append(f"A sample of at most {timeline.limit} facts, half of them facts that change; not the whole walk.")
    for step in timeline.steps:
        said += _notes(step)
    meanings = [[name.replace("_", " "), text] for name, text in MEASURES.items()]
    measures = Table(["share", "of what"], meanings, "What the shares mean", folded=True)
    tables = [_table(step) for step in timeline.steps]
    return Section(
        "Freshness and forgetting", said, [plot_freshness(timeline), plot_leftovers(timeline)], [*tables, measures]
    )


def _table(step: TimelineStep) -> Table:
    names = [name for name in MEASURES if any(name in row.figures for row in step.rows)]
    columns = ["", *(name.replace("_", " ") for name in names), "served after, s", "fresh after, s", "CPU s", "money"]
    facts = ", ".join(f"{n} {change}" for change, n in sorted(step.facts.items()))
    older = [[row.name, *(_cell(row.figures.get(name)) for name in names), "", "", "", ""] for row in step.aged]
    return Table(columns, [*(_row(row, names) for row in step.rows), *older], f"{step.version}: {facts}")


def _row(row: TimelineRow, names: list[str]) -> list[str]:
    cost, fresh = row.cost, row.fresh
    return [
        row.name,
        *(_cell(row.figures.get(name)) for name in names),
        _number(fresh.published_s),
        _number(fresh.time_to_fresh_s) or (fresh.reason or ""),
        _number(cost.use.cpu_s if cost else None),
        f"{cost.money:.5f} {cost.currency}" if cost else "",
    ]


def _notes(step: TimelineStep) -> list[str]:
    lines = [
        f"{step.version}, {row.strategy}: its gate refused the new adapter ({'; '.join(row.failed_probes)}); "
        f"{row.missing or 'the previous one answers'}."
        for row in step.rows
        if row.failed_probes
    ]
    if step.interrupted:
        lines.append(f"{step.version} was interrupted and resumed: its costs may lack the part before that.")
    return lines


def _cell(found: Estimate | None) -> str:
    return "" if found is None else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
