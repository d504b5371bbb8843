"""The printed comparison."""

from collections.abc import Mapping
from typing import Any

from lorag.console.terminal import say, stream_text, table
from lorag.counted import counted


def show_comparison(result: Mapping[str, Any]) -> None:
    """Print a column for each strategy, and what is missing and why."""
    # They import numpy, which every command would wait for.
    from lorag.evaluation.answer_kinds import KINDS
    from lorag.evaluation.rule_error import RULE_ERROR
    from lorag.reports.comparison_markdown import SHARES, SPEED, auto_line, coverage_rows, quality_columns

    found = result["strategies"]
    asked = result["questions"]
    qualities = quality_columns(result)
    rows = [
        [title, *(_share(each.get(name)) for each in qualities.values())]
        for name, title in SHARES.items()
        if any(name in each for each in qualities.values())
    ]
    if any(each["ideal"] for each in found.values()):
        rows.append(
            ["right, ideal search", *(_share((each["ideal"] or {}).get("accuracy")) for each in found.values())]
        )
    rows += coverage_rows(result)
    rows += [[title, *(_seconds(each["speed"], name) for each in found.values())] for name, title in SPEED.items()]
    rows.append(["money of 1,000", *(_money(each) for each in found.values())])
    columns = ["", *qualities]
    table(f"Release {result['release']}", columns, [[*row, *[""] * (len(columns) - len(row))] for row in rows])
    # A comparison that an earlier version kept has no counts.
    kinds = {name: each["kinds"] for name, each in found.items() if each.get("kinds")}
    if kinds:
        by_kind = [[label, *(counts[key] for counts in kinds.values())] for key, label in KINDS.items()]
        table("Answers to facts by kind", ["", *kinds], by_kind)
    styled = f", {asked['style']} for style" if asked["style"] else ""
    say(
        f"{counted(asked['fact'], 'question')} on facts, {counted(asked['control'], 'control')}, "
        f"{asked['unanswerable']} without an answer"
        f"{styled}; "
        f"behind each share its {result['confidence']:.0%} interval"
    )
    say(RULE_ERROR.line())
    if line := auto_line(result):
        say(line)
    for name, reason in result["left_out"].items():
        say(f"{name} is left out: {reason}")
    for name, note in result["notes"].items():
        say(f"{name}: {note}")
    say(f"The report: {result['report']}")


def show_markdown(result: Mapping[str, Any]) -> None:
    """Print the same as Markdown."""
    from lorag.reports.comparison_markdown import summarise_comparison

    stream_text(summarise_comparison(result))


def show_seeds(result: Mapping[str, Any]) -> None:
    """Print a row for each measure and a column for each seed."""
    seeds = [str(each["seed"]) for each in result["results"]]
    figures = [each["figures"] for each in result["results"]]
    rows = [
        [name, f"{spread['mean']:.3f}", *(f"{given[name]:.3f}" if name in given else "" for given in figures)]
        for name, spread in result["spreads"].items()
    ]
    table(f"{result['strategy']} by training seed", ["", "mean", *seeds], rows)


def _share(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    return f"{found['value']:.2f} {_short(found['low'])}-{_short(found['high'])}"


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def _seconds(speed: Mapping[str, float] | None, name: str) -> str:
    return "" if speed is None or name not in speed else f"{speed[name]:.2f}"


def _money(found: Mapping[str, Any]) -> str:
    if found["cost"] is None:
        return ""
    n = (found["speed"] or found["batch"])["n_queries"]
    return f"{1000 * found['cost']['money'] / n:.4f} {found['cost']['currency']}"
