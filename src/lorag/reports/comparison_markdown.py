"""A comparison as Markdown, for a pull request."""

from collections.abc import Mapping
from typing import Any

from lorag.counted import counted
from lorag.evaluation.answer_kinds import KINDS
from lorag.evaluation.comparison import COMPARED, is_variant
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.reports.markdown import markdown_table, one_line
from lorag.strategies import Auto

SHARES = {
    "accuracy": "right",
    "exact_match": "exact match",
    "f1": "F1",
    "abstention": "declined, no answer",
    "wrongly_declined": "declined, answer",
    "controls": "controls",
    "style": "in the wanted style",
    "citation_precision": "citations that prove",
    "citation_recall": "right and cited",
}
"""The main measures in order, each with its label in a summary."""

SPEED = {"ttft_p50_s": "first token p50, s", "p50_s": "answer p50, s", "p95_s": "answer p95, s"}
"""The figures of speed, each with its label in a summary."""

Result = Mapping[str, Any]
"""The object that `lorag compare --json` prints."""


def summarise_comparison(result: Result) -> str:
    """Return the main measures with intervals, the kinds of answers, differences, speed, costs, and what was left out.

    Only differences beyond chance are listed.
    """
    parts = [_head(result), _qualities(result), RULE_ERROR.line(), _kinds(result), _differences(result), _auto(result)]
    parts += [_costs(result), _standing(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(result: Result) -> str:
    asked = result["questions"]
    said = (
        f"{counted(asked['fact'], 'question')} on facts, {counted(asked['control'], 'control')}, "
        f"{asked['unanswerable']} without an answer, "
        f"{asked['style']} for style; in brackets the {result['confidence']:.0%} interval."
    )
    look = f" A sample of at most {result['limit']} questions." if result["limit"] is not None else ""
    return (
        f"### Comparison of {one_line(', '.join(result['strategies']))}\n\nRelease `{result['release']}`. {said}{look}"
    )


def _qualities(result: Result) -> str:
    found = result["strategies"]
    qualities = quality_columns(result)
    rows = [
        [title, *(_estimate(each.get(name)) for each in qualities.values())]
        for name, title in SHARES.items()
        if any(name in each for each in qualities.values())
    ]
    if any(each["ideal"] for each in found.values()):
        ideal = [_estimate((each["ideal"] or {}).get("accuracy")) for each in found.values()]
        rows.append(["right, ideal search", *ideal])
    rows += coverage_rows(result)
    columns = ["", *qualities]
    return markdown_table(columns, [[*row, *[""] * (len(columns) - len(row))] for row in rows])


def quality_columns(result: Result) -> dict[str, Mapping[str, Any]]:
    """Return the measures of each strategy, and of `auto` if the comparison judged it; its answers are of them."""
    columns = {name: each["quality"] for name, each in result["strategies"].items()}
    auto = result.get("auto") or {}
    return columns | ({Auto.AUTO.value: auto["quality"]} if "quality" in auto else {})


def auto_line(result: Result) -> str:
    """Return whether `auto` serves, or why not; empty for a comparison of an earlier version."""
    auto = result.get("auto")
    if not auto:
        return ""
    if "gain" not in auto:
        return f"{Auto.AUTO} was not judged: {auto['reason']}."
    gain, single = auto["gain"], auto["single"]
    if auto["serves"]:
        value, low, high = (f"{100 * gain[key]:+.1f}" for key in ("value", "low", "high"))
        return f"{Auto.AUTO} serves: {value} points ({low} to {high}) over {single}, on {gain['n']} unseen questions."
    return f"{Auto.AUTO} does not serve, {single} answers instead: {auto['reason']}."


def _auto(result: Result) -> str:
    """Return the verdict on `auto`, and the curve of risk over coverage in a few points."""
    auto = result.get("auto") or {}
    if "calibration" not in auto:
        return one_line(auto_line(result))
    known = auto["calibration"]
    points = [point for at, point in enumerate(known["curve"], start=1) if at % 4 == 0]
    rows = [["wrong of the answered", *(f"{risk:.2f}" for _, risk in points)]]
    said = f"{auto_line(result)} Expected calibration error {known['error']:.3f}."
    columns = ["answered, most certain first", *(f"{x:.0%}" for x, _ in points)]
    return one_line(said) + "\n\n" + markdown_table(columns, rows)


def _kinds(result: Result) -> str:
    """Return how many answers to facts are of each kind; empty for a comparison of an earlier version."""
    found = {name: each.get("kinds") for name, each in result["strategies"].items()}
    if not any(found.values()):
        return ""
    rows = [[title, *(str(each[kind]) if each else "" for each in found.values())] for kind, title in KINDS.items()]
    return "Answers to facts, by whose words they have:\n\n" + markdown_table(["", *found], rows)


def coverage_rows(result: Result) -> list[list[str]]:
    """Return the rows with the coverage of each adapter's training; none if no adapter is compared.

    A comparison of an earlier version does not say it.
    """
    found = {name: each.get("coverage") for name, each in result["strategies"].items()}
    if not any(found.values()):
        return []
    titles = {"documents_share": "documents asked in training", "chunks_share": "chunks asked in training"}
    return [[title, *(f"{each[key]:.1%}" if each else "" for each in found.values())] for key, title in titles.items()]


def _differences(result: Result) -> str:
    """Return a table with a row for each pair; a cell is empty if its interval includes zero."""
    beyond = {
        pair: {name: found[name] for name in COMPARED if name in found and _leaves_out_zero(found[name])}
        for pair, found in result["differences"].items()
        if not any(map(is_variant, pair.split(" - ")))
    }
    names = [name for name in COMPARED if any(name in found for found in beyond.values())]
    if not names:
        return "No two strategies differ beyond chance."
    rows = [
        [pair, *(_estimate(found.get(name), sign="+") for name in names)] for pair, found in beyond.items() if found
    ]
    return "Differences beyond chance, on the same questions:\n\n" + markdown_table(
        ["", *(SHARES.get(name, name) for name in names)], rows
    )


def _costs(result: Result) -> str:
    rows = []
    for name, found in result["strategies"].items():
        speed, cost = found["speed"] or {}, found["cost"]
        seconds = [f"{speed[key]:.2f}" if key in speed else "" for key in SPEED]
        if cost is None:
            rows.append([name, "not measured", *seconds, "", "", ""])
            continue
        n = (found["speed"] or found["batch"])["n_queries"]
        measured = f"{n} {'one at a time' if found['cost_source'] == 'streamed' else 'in batches'}"
        of_1000 = [f"{cost['cpu_s'] * 1000 / n:,.0f}", f"{cost['kwh'] * 1000 / n:.4f}"]
        rows.append([name, measured, *seconds, *of_1000, f"{cost['money'] * 1000 / n:.4f} {cost['currency']}"])
    columns = ["", "measured", *SPEED.values(), "CPU s", "kWh", "money"]
    return "Speed, and the costs of 1,000 questions:\n\n" + markdown_table(columns, rows)


def _standing(result: Result) -> str:
    lines = [f"- {name} is left out: {reason}" for name, reason in result["left_out"].items()]
    lines += [f"- {name}: {note}" for name, note in result["notes"].items()]
    return "\n".join(map(one_line, lines))


def _leaves_out_zero(found: Mapping[str, float]) -> bool:
    return found["low"] > 0 or found["high"] < 0


def _estimate(found: Mapping[str, float] | None, *, sign: str = "") -> str:
    if found is None:
        return ""
    value, low, high = (f"{found[key]:{sign}.2f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
