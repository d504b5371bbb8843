"""The sections of a report on a comparison."""

from collections.abc import Mapping, Sequence

from lorag.costs.records import Cost
from lorag.counted import counted
from lorag.digests import digest_of
from lorag.evaluation.answer_kinds import KINDS
from lorag.evaluation.answer_measures import DESCRIPTIONS, has_declined, has_style, is_right
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import COMPARED, IDEAL, READING, Comparison, is_variant
from lorag.evaluation.question_set import Topic
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.reports.comparison_plots import plot_quality, plot_retrievers, plot_seconds, plot_strata
from lorag.reports.page import Section, Table

SAMPLES = 12
"""The number of questions whose answers are shown side by side."""

Speeds = Mapping[str, Mapping[str, float]]
"""The figures of speed by strategy."""


def quality_section(comparison: Comparison, notes: Sequence[str]) -> Section:
    """Return every measure of every strategy, and the missing strategies."""
    asked = comparison.questions
    said = (
        f"{counted(asked['fact'], 'question')} on facts, {asked['control']} on general knowledge, "
        f"{asked['unanswerable']} that nothing answers, {asked['style']} that ask for style. In brackets the "
        f"{comparison.confidence:.0%} interval, by bootstrap over facts; it does not cover the effect of the training "
        "seed."
    )
    tables = [_figures_table(_real(comparison), list(DESCRIPTIONS))]
    kinds = {name: counts for name, counts in comparison.kinds.items() if not is_variant(name)}
    if kinds:
        rows = [[label, *(str(counts[key]) for counts in kinds.values())] for key, label in KINDS.items()]
        tables.append(Table(["", *kinds], rows, "Answers to facts by kind: the model's own words, or quoted sentences"))
    return Section("Quality", [said, RULE_ERROR.line(), *notes], [plot_quality(comparison)], tables)


def strata_section(comparison: Comparison) -> Section | None:
    """Return the accuracy by what happened to the fact; None if no fact was asked."""
    if (drawing := plot_strata(comparison)) is None:
        return None
    strata = list(dict.fromkeys(name for found in comparison.strata.values() for name in found))
    rows = [
        [name, *(_cell(found[stratum].get("accuracy")) if stratum in found else "" for stratum in strata)]
        for name, found in comparison.strata.items()
        if not is_variant(name)
    ]
    return Section("Strata", [], [drawing], [Table(["accuracy", *strata], rows)])


def differences_section(comparison: Comparison) -> Section:
    """Return the differences of each pair of strategies on the same questions."""
    names = [name for name in COMPARED if any(name in found for found in comparison.differences.values())]
    rows = [
        [pair, *(_cell(found.get(name), signed=True) for name in names)]
        for pair, found in comparison.differences.items()
        if not any(map(is_variant, pair.split(" - ")))
    ]
    said = "The first minus the second on the same questions. An interval without 0 is a difference beyond chance."
    return Section("Differences", [said], (), [Table(["pair", *map(_title, names)], rows)])


def retrieval_section(comparison: Comparison) -> Section | None:
    """Return the measures of the search itself, and of reading with an ideal one; None if no strategy searched."""
    if comparison.retrieval is None:
        return None
    names = ["accuracy", "exact_match", "f1", "gold_in_context", "right_when_read"]
    variants = {
        f"{name}, {kind} retriever": comparison.strategies[f"{name}{suffix}"]
        for name in comparison.strategies
        if f"{name}{IDEAL}" in comparison.strategies
        for kind, suffix in (("real", ""), ("ideal", IDEAL))
    }
    variants |= {
        f"{name}, reading": comparison.strategies[f"{name}{READING}"]
        for name in comparison.strategies
        if f"{name}{READING}" in comparison.strategies
    }
    search = Table(
        list(map(_title, ["search", *comparison.retrieval])),
        [["as served", *map(_cell, comparison.retrieval.values())]],
        "The search on the same wordings, over documents",
    )
    said = "The ideal retriever returns the chunks that state the fact, then the others that the real one found. "
    said += "From both, the model reads some sentences; `gold in context` is whether the fact was among them."
    if any(name.endswith(READING) for name in comparison.strategies):
        said += " Reading: asked with the chunks of the real retriever, although it is served without a context."
    drawing = plot_retrievers(comparison)
    return Section("Retrieval", [said], [drawing] if drawing else [], [_figures_table(variants, names), search])


def speed_section(
    speeds: Speeds, counts: Mapping[str, int], costs: Mapping[str, tuple[Cost, int, str]], missing: Mapping[str, str]
) -> Section:
    """Return seconds, tokens and money; `costs` gives each strategy's cost, number of queries, and how they ran."""
    titles = {
        "ttft_p50_s": "first token p50, s",
        "p50_s": "p50, s",
        "p95_s": "p95, s",
        "tokens_in": "tokens in",
        "tokens_out": "tokens out",
        "tokens_per_s": "tokens/s",
    }
    rows = [
        [name, str(counts[name]), *(_number(figures.get(key)) for key in titles)] for name, figures in speeds.items()
    ]
    tables = [Table(["strategy", "questions", *titles.values()], rows)] if rows else []
    if costs:
        tables.append(
            Table(["of 1,000 queries", "measured", "CPU s", "kWh", "money"], list(map(_cost_row, costs.items())))
        )
    said = ["One question at a time from the served release, with the search, without the loading of models."]
    said += [f"{name}: not measured, {reason}" for name, reason in missing.items()]
    return Section("Speed and cost", said, [plot_seconds(speeds)] if speeds else [], tables)


def samples_section(rows: Mapping[str, Sequence[AnswerRow]]) -> Section:
    """Return some questions with the answers of all strategies: mostly facts, and some to be declined."""
    names = [name for name in rows if not is_variant(name)]
    # Every strategy answered the same questions in the same order.
    asked = sorted(zip(*(rows[name] for name in names), strict=True), key=_sample_rank)
    facts = [answers for answers in asked if answers[0].question.topic is Topic.FACT]
    others = [answers for answers in asked if answers[0].question.topic is not Topic.FACT]
    cells, marks = [], set()
    for at, answers in enumerate([*facts[: SAMPLES - 3], *others[:3]]):
        question = answers[0].question
        wanted = question.pattern or " / ".join(question.accepted) or "(to be declined)"
        cells.append([question.text, wanted, *(row.answer.text for row in answers)])
        marks |= {(at, 2 + place, _mark(row)) for place, row in enumerate(answers)}
    table = Table(["question", "accepted", *names], cells, marks=frozenset(marks))
    said = "Green: right. Yellow: declined. Red: wrong, or answered although there is no answer."
    return Section("Answers side by side", [said], (), [table])


def method_section(facts: Mapping[str, str]) -> Section:
    """Return what the figures mean, and the names of what they were measured on."""
    meanings = [[_title(name), said] for name, said in DESCRIPTIONS.items()]
    measures = Table(["measure", "share"], meanings, "What the measures mean", folded=True)
    names = Table(["of", "name"], [list(item) for item in facts.items()], "What was measured", folded=True)
    return Section("How it was measured", (), (), [measures, names])


def _sample_rank(answers: Sequence[AnswerRow]) -> str:
    return digest_of(["sample", answers[0].question.id])


def _real(comparison: Comparison) -> dict[str, Mapping[str, Estimate]]:
    return {name: found for name, found in comparison.strategies.items() if not is_variant(name)}


def _figures_table(figures: Mapping[str, Mapping[str, Estimate]], names: Sequence[str]) -> Table:
    """Return a table with a row for each measure, because strategies are few and measures many."""
    known = [name for name in names if any(name in found for found in figures.values())]
    rows = [[_title(name), *(_cell(found.get(name)) for found in figures.values())] for name in known]
    return Table(["", *figures], rows)


def _cost_row(item: tuple[str, tuple[Cost, int, str]]) -> list[str]:
    name, (cost, n, source) = item
    per = 1000 / n
    use = cost.use
    measured = f"{n} {'one at a time' if source == 'streamed' else 'in batches'}"
    return [
        name,
        measured,
        f"{use.cpu_s * per:,.0f}",
        f"{use.kwh * per:.4f}",
        f"{cost.money * per:.4f} {cost.currency}",
    ]


def _mark(row: AnswerRow) -> str:
    if row.question.topic is Topic.STYLE:
        return "right" if has_style(row) else "wrong"
    if row.question.accepted and is_right(row):
        return "right"
    if has_declined(row):
        return "declined" if row.question.accepted else "right"
    return "wrong"


def _cell(found: Estimate | None, *, signed: bool = False) -> str:
    if found is None:
        return ""
    form = "+.3f" if signed else ".3f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _title(name: str) -> str:
    return name.replace("_at_", "@").replace("_", " ")
