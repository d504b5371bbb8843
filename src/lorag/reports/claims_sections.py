"""The sections of a report on the claims, the uses and the classic table."""

from collections.abc import Sequence
from typing import TypeVar

from lorag.findings.claims import Judged
from lorag.findings.classic_table import NOT_MEASURED, Aspect
from lorag.findings.evidence import Measurement, Verdict
from lorag.findings.uses import Scenario
from lorag.reports.page import Section, Table
from lorag.strategies import Strategy

WORDS = {Verdict.HOLDS: "holds", Verdict.FAILS: "does not hold", Verdict.NOT_MEASURED: "not measured"}

J = TypeVar("J", Judged, Scenario)

_MARKS = {Verdict.HOLDS: "right", Verdict.FAILS: "wrong", Verdict.NOT_MEASURED: "declined"}


def claims_section(judged: Sequence[Judged]) -> Section:
    """Return every claim with its verdict, and the figures that decided; those without figures are folded."""
    measured, others = _apart(judged)
    rows = [
        [each.id, each.claim, each.source or "ours", WORDS[each.verdict], each.why, figures_text(each.figures, each.do)]
        for each in measured
    ]
    marks = frozenset((row, 3, _MARKS[each.verdict]) for row, each in enumerate(measured))
    table = Table(["", "claim", "source at arXiv", "here", "because", "figures"], rows, marks=marks)
    lacking = [
        [each.id, each.claim, each.source or "ours", each.why, figures_text(each.figures, each.do)] for each in others
    ]
    rest = Table(["", "claim", "source at arXiv", "because", "what it takes"], lacking, _caption(others), folded=True)
    said = ["If the figures do not decide a claim, it does not hold."]
    return Section("Claims", said, (), [each for each in (table, rest) if each.rows])


def scenarios_section(judged: Sequence[Scenario]) -> Section:
    """Return every use with the strategies that are said to win and that do; those without figures are folded."""
    measured, others = _apart(judged)
    rows = [
        [
            each.name,
            ", ".join(each.said),
            WORDS[each.verdict],
            ", ".join(each.favours),
            each.by,
            figures_text(each.figures, each.do),
        ]
        for each in measured
    ]
    marks = frozenset((row, 2, _MARKS[each.verdict]) for row, each in enumerate(measured))
    said = "Favoured: the strategies that the figures do not separate from the best. It holds if each is said to win."
    table = Table(["use", "said to win", "here", "favoured", "by", "figures"], rows, marks=marks)
    lacking = [[each.name, ", ".join(each.said), each.by, figures_text(each.figures, each.do)] for each in others]
    rest = Table(["use", "said to win", "by", "what it takes"], lacking, _caption(others), folded=True)
    return Section("Which strategy for which use", [said], (), [each for each in (table, rest) if each.rows])


def _apart(judged: Sequence[J]) -> tuple[list[J], list[J]]:
    """Return what was measured, and what was not."""
    measured = [each for each in judged if each.verdict is not Verdict.NOT_MEASURED]
    return measured, [each for each in judged if each.verdict is Verdict.NOT_MEASURED]


def _caption(others: Sequence[object]) -> str:
    return f"Not measured: {len(others)}"


def classic_section(aspects: Sequence[Aspect]) -> Section:
    """Return the table of aspects by strategy, and how to fill what is empty."""
    strategies = tuple(Strategy)
    known = [each for each in aspects if any(cell.text != NOT_MEASURED for cell in each.cells.values())]
    rows = [[_name(each), *(_text(each.cells[strategy].text) for strategy in strategies)] for each in known]
    said = [
        "Time and money of the first build and the median of updates, from the ledger. A retrain is counted "
        "without the refresh before it; the hybrid needs both. A dash is a figure that was not measured.",
        *_remedies([each for each in aspects if _lacks(each)]),
    ]
    return Section("Retrieval against fine-tuning, measured", said, (), [Table(["", *strategies], rows)])


def _text(cell: str) -> str:
    return "–" if cell == NOT_MEASURED else cell


def _remedies(lacking: Sequence[Aspect]) -> list[str]:
    """Return a line for each command, with all that it would measure."""
    wanted: dict[str, list[str]] = {}
    for each in lacking:
        wanted.setdefault(each.do, []).append(_name(each))
    return [f"Not measured for every strategy: {'; '.join(names)}. To fill it: {do}." for do, names in wanted.items()]


def figures_text(figures: Sequence[Measurement], do: str | None) -> str:
    """Return the figures one after another, and the command that measures the rest."""
    parts = [figure.text for figure in figures]
    return "; ".join([*parts, *([f"to measure it: {do}"] if do else [])])


def _name(aspect: Aspect) -> str:
    return f"{aspect.name}, {aspect.unit}" if aspect.unit else aspect.name


def _lacks(aspect: Aspect) -> bool:
    return any(cell.text == NOT_MEASURED for cell in aspect.cells.values())
