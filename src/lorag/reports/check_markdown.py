"""The evaluations of two revisions, as Markdown for a pull request."""

from collections.abc import Iterator, Mapping
from typing import Any

from lorag.counted import counted
from lorag.reports.comparison_markdown import SHARES
from lorag.reports.markdown import markdown_table, one_line

COLUMNS = ("", "figure", "there", "here", "difference", "lost", "")
"""The columns of the table of figures."""

_NAMED = 20
_SETTINGS = 8

Result = Mapping[str, Any]
"""The object that `lorag check --json` prints."""


def summarise_check(result: Result) -> str:
    """Return the verdict, the figures, what they were measured over, and what was lost or vanished."""
    title = f"### {'Nothing' if result['passed'] else 'Something'} was lost against `{one_line(result['revision'])}`"
    parts = [
        title,
        verdict(result),
        markdown_table(COLUMNS, check_rows(result)),
        "\n".join(f"- {one_line(line)}" for line in standing_lines(result)),
        *_details(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(result: Result) -> str:
    """Return a sentence on what fell beyond chance."""
    fell = [f"{each['of']}: {_label(each['measure'])}" for each in _figures(result) if each["is_loss"]]
    if not fell:
        return f"No figure is lower beyond its paired {result['confidence']:.0%} interval."
    return f"Lower beyond the paired {result['confidence']:.0%} interval: {', '.join(fell)}."


def check_rows(result: Result) -> list[list[str]]:
    """Return a row of `COLUMNS` for each figure."""
    return [
        [
            each["of"],
            _label(each["measure"]),
            f"{each['before']:.3f}",
            f"{each['now']:.3f}",
            "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format_map(each["difference"]),
            _lost(each),
            "loss" if each["is_loss"] else "",
        ]
        for each in _figures(result)
    ]


def standing_lines(result: Result) -> Iterator[str]:
    """Yield what the figures were measured over, and what is not compared."""
    across = ", whatever their words and answers are now" if result["across_corpora"] else ""
    for name, part in result["parts"].items():
        asked = part["questions"]
        left = {
            "edited between": 0 if result["across_corpora"] else asked["edited"],
            "only there": asked["only_before"],
            "only here": asked["only_now"],
            "without their documents": asked["unusable"],
        }
        said = ", ".join(f"{n} {what}" for what, n in left.items() if n)
        yield f"{name}: {counted(asked['compared'], 'question')} that both have{across}; left out: {said or 'none'}"
    if result["pending"]:
        yield f"the evaluation here is not of what is here: {', '.join(result['pending'])}; run `lorag refresh`"
    if not result["same_corpus"]:
        yield "the documents are not the same: {} there, {} here".format(*result["n_documents"])
    settings = [f"{name} {old} -> {new}" for name, (old, new) in result["settings"].items()]
    if settings:
        more = [f"{len(settings) - _SETTINGS} more"] if len(settings) > _SETTINGS else []
        yield f"settings that differ: {'; '.join([*settings[:_SETTINGS], *more])}"
    yield from (f"{name} are not compared: {why}" for name, why in result["left_out"].items())


def vanished_lines(result: Result) -> list[str]:
    """Return a line for each gold passage that vanished, shortened as `lost_lines` is."""
    return _first([f"{each['question']}: {each['what']}: {each['document']}" for each in result["vanished"]])


def lost_lines(result: Result) -> list[str]:
    """Return a line for each question that got less, with the figures in which it did; after twenty how many more."""
    lost: dict[str, dict[str, list[str]]] = {}
    for each in _figures(result):
        for name in each["lost"]:
            lost.setdefault(name, {}).setdefault(each["of"], []).append(_label(each["measure"]))
    said = {name: [f"{of} ({', '.join(labels)})" for of, labels in found.items()] for name, found in lost.items()}
    return _first([f"{name}: {', '.join(figures)}" for name, figures in said.items()])


def _details(result: Result) -> Iterator[str]:
    for title, lines in (
        ("Gold passages that vanished", vanished_lines(result)),
        ("Questions that lost", lost_lines(result)),
    ):
        if lines:
            listed = "\n".join(f"- {one_line(line)}" for line in lines)
            yield f"<details><summary>{title}</summary>\n\n{listed}\n\n</details>"


def _figures(result: Result) -> list[Mapping[str, Any]]:
    return [figure for part in result["parts"].values() for figure in part["figures"]]


def _label(measure: str) -> str:
    return SHARES.get(measure, measure.replace("_at_", "@").replace("ndcg", "nDCG"))


def _lost(figure: Mapping[str, Any]) -> str:
    n = figure["difference"]["n"]
    said = f"{len(figure['lost'])} of {n}"
    return said if figure["lost"] else f"{said}, at most {figure['lost_share']['high']:.1%}"


def _first(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _NAMED else [*lines[:_NAMED], f"{len(lines) - _NAMED} more; --json names all"]
