"""What a person sees of the ledger, the break-even and the advice."""

from collections.abc import Mapping
from typing import Any

from lorag.console import say, table

_MEASURES = ["s", "tokens", "MB", "Wh"]


def show_costs(result: Mapping[str, Any]) -> None:
    """A row for each update and batch of answers, and below what each sort cost."""
    if not result["n_entries"]:
        say("Nothing was measured yet: run `lorag refresh`, `lorag retrain` and `lorag compare`.")
        return
    entries = result["entries"]
    shown = "" if len(entries) == result["n_entries"] else f", the newest {len(entries)}"
    table(
        f"{result['n_entries']} updates and batches of answers{shown}",
        ["UTC", "what", *_MEASURES, "money", "run"],
        [_entry_row(entry) for entry in entries],
        n_texts=2,
    )
    rows = [_total_row(total, part) for total in result["totals"] for part in ("median", "total")]
    table("By kind and strategy", ["what", "runs", "", *_MEASURES, "money"], rows)
    if result["n_skipped"]:
        say(f"{result['n_skipped']} runs tell no cost and were left out.")


def _entry_row(entry: Mapping[str, Any]) -> list[str]:
    cost = entry["cost"]
    tokens = sum(value for name, value in cost.items() if name.startswith("tokens_"))
    queries = f" {entry['n_queries']}" if entry["n_queries"] else ""
    return [
        entry["started_utc"][5:16].replace("T", " "),
        _sort(entry) + queries,
        *_numbers(cost["wall_s"], tokens, cost["bytes_written"], cost["kwh"]),
        f"{cost['money']:.3g} {cost['currency']}",
        entry["run_id"][:6],
    ]


def _total_row(total: Mapping[str, Any], part: str) -> list[str]:
    named = [_sort(total), str(total["count"])] if part == "median" else ["", ""]
    names = ("wall_s", "tokens", "bytes_written", "kwh")
    values = _numbers(*(None if total[name] is None else total[name][part] for name in names))
    return [*named, "sum" if part == "total" else part, *values, f"{total['money'][part]:.3g} {total['currency']}"]


def _sort(row: Mapping[str, Any]) -> str:
    words = [row["kind"], row["strategy"], row["extent"]]
    return " ".join(word for word in words if word)


def _numbers(seconds: float | None, tokens: float | None, written: float | None, kwh: float | None) -> list[str]:
    scaled = [(seconds, 1.0), (tokens, 1.0), (written, 1e-6), (kwh, 1e3)]
    return ["?" if value is None else _short(value * factor) for value, factor in scaled]


def _short(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
