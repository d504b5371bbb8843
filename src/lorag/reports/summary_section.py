"""The first section of a report: the few figures that most readers look for."""

from collections.abc import Mapping

from lorag.costs.records import Cost
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import SUMMARISED, Comparison, is_variant
from lorag.reports.page import Section, Table
from lorag.strategies import Strategy

_NAMES = {
    "accuracy": "facts answered right",
    "f1": "F1",
    "abstention": "unanswerable declined",
    "controls": "general knowledge right",
    "citation_recall": "citations that prove",
}


def summary_section(
    comparison: Comparison,
    seconds: Mapping[str, float],
    costs: Mapping[str, tuple[Cost, int]],
) -> Section:
    """Return one table with a row for each strategy, and which one answers most facts right.

    `seconds` gives the median time of an answer by strategy, `costs` the cost and the number of questions.
    """
    order = [name for name in (*Strategy, *comparison.strategies) if name in comparison.strategies]
    real = {name: comparison.strategies[name] for name in dict.fromkeys(order) if not is_variant(name)}
    measures = [name for name in SUMMARISED if any(name in found for found in real.values())]
    columns = ["strategy", *(_NAMES.get(name, name) for name in measures)]
    columns += ["seconds, median"] if seconds else []
    columns += ["1,000 questions"] if costs else []
    rows = []
    for name, found in real.items():
        row = [name, *(share(found.get(measure)) for measure in measures)]
        row += ([f"{seconds[name]:.2f}"] if name in seconds else ["–"]) if seconds else []
        row += ([_money(*costs[name])] if name in costs else ["–"]) if costs else []
        rows.append(row)
    return Section("Summary", leading_lines(comparison), (), [Table(columns, rows)])


def leading_lines(comparison: Comparison) -> list[str]:
    """Return which strategies answer most facts right, and which of them the intervals do not separate."""
    known = {
        name: found["accuracy"]
        for name, found in comparison.strategies.items()
        if not is_variant(name) and "accuracy" in found
    }
    if not known:
        return ["No question on a fact was asked."]
    best = max(known, key=lambda name: known[name].value)
    close = [name for name in known if name != best and known[name].high >= known[best].low]
    line = f"{best} answers most facts right: {share(known[best])}, of {known[best].n}."
    if close:
        which = f"interval of {close[0]} reaches" if len(close) == 1 else f"intervals of {' and '.join(close)} reach"
        line += f" The {which} it, so look at the differences before you choose."
    return [line]


def share(found: Estimate | None) -> str:
    """Return a share as a percentage with its interval; a dash if it was not measured."""
    return "–" if found is None else f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"


def _money(cost: Cost, n: int) -> str:
    return f"{1000 * cost.money / n:.4f} {cost.currency}"
