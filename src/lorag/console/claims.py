"""The printed claims, uses and classic table."""

from collections.abc import Mapping
from typing import Any

from lorag.console.terminal import say, table
from lorag.strategies import Strategy

_WORDS = {"holds": "holds", "fails": "does not hold", "not_measured": "not measured"}


def show_claims(result: Mapping[str, Any]) -> None:
    """Print a row for each claim and each use, then the classic table and what is missing in it."""
    # It imports numpy, which every command would wait for.
    from lorag.evaluation.rule_error import RULE_ERROR

    counts = ", ".join(f"{n} {_WORDS[verdict]}" for verdict, n in result["counts"].items())
    rows = [[each["id"], each["claim"], _WORDS[each["verdict"]], _reason(each)] for each in result["claims"]]
    table(f"Claims: {counts}", ["", "claim", "here", "figures"], rows, n_texts=4)
    if result["counts"]["holds"] + result["counts"]["fails"]:
        say(RULE_ERROR.line())
    uses = [
        [each["name"], ", ".join(each["said"]), ", ".join(each["favours"]) or "?", _reason(each, each["by"])]
        for each in result["scenarios"]
    ]
    table("Which strategy for which use", ["use", "said to win", "favoured", "figures"], uses, n_texts=4)
    strategies = tuple(Strategy)
    cells = [[_name(each), *(each["cells"][name]["text"] for name in strategies)] for each in result["table"]]
    table("Retrieval against fine-tuning, measured", ["", *strategies], cells)
    for each in result["table"]:
        if any(cell["text"] == "not measured" for cell in each["cells"].values()):
            say(f"{_name(each)}: {each['do']} fills what is missing")


def _reason(each: Mapping[str, Any], by: str = "") -> str:
    texts = [figure["text"] for figure in each["figures"]]
    lines = [by or each["why"], *texts, *([f"to measure it: {each['do']}"] if each["do"] else [])]
    return "\n".join(lines)


def _name(aspect: Mapping[str, Any]) -> str:
    return f"{aspect['name']}, {aspect['unit']}" if aspect["unit"] else str(aspect["name"])
