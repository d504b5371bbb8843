"""The printed walk through the versions."""

from collections.abc import Mapping
from typing import Any

from lorag.console.terminal import say, table

_SHARES = {
    "accuracy": "all",
    "changed": "new",
    "added": "add",
    "unchanged": "kept",
    "stale": "old",
    "removed_leaked": "leak",
    "forgotten": "lost",
}


def show_timeline(result: Mapping[str, Any]) -> None:
    """Print a table for each version, with a row for each strategy at each moment; below, notes and a legend."""
    # It imports numpy, which every command would wait for.
    from lorag.evaluation.rule_error import RULE_ERROR

    for step in result["steps"]:
        facts = ", ".join(f"{n} {change}" for change, n in sorted(step["facts"].items()))
        rows = [_row(row) for row in step["rows"]]
        rows += [[f"{row['strategy']} -{row['age']}", *_shares(row), "", "", ""] for row in step["aged"]]
        table(f"{step['version']}: {facts}", ["", *_SHARES.values(), "served", "fresh", "CPU s"], rows)
        for row in step["rows"]:
            if row["failed_probes"]:
                say(f"{row['strategy']}: its gate refused the new adapter: {'; '.join(row['failed_probes'])}")
        if step["interrupted"]:
            say("This step was interrupted and resumed: its costs may lack the part before that.")
    say("Shares of facts. Right: all, new (changed), add(ed), kept (unchanged). Old: changed, answered as before.")
    say(RULE_ERROR.line())
    say("Leak: removed, still answered. Lost: unchanged, right in the version before and wrong now.")
    say("Seconds from the change to the release (served), and to the first right answer on what changed (fresh).")
    say("*: with the adapter from before the change. -n: with the adapter of n versions before.")
    if result["limit"] is not None:
        say(f"A sample of at most {result['limit']} facts, half of them facts that change; not the whole walk.")
    say(f"The reports: {result['reports']}")


def _row(row: Mapping[str, Any]) -> list[str]:
    name = row["strategy"] + ("*" if row["is_stale"] else "")
    fresh, cost = row["fresh"], row["cost"]
    return [
        name,
        *_shares(row),
        _seconds(fresh["published_s"]),
        "never" if fresh["asked"] and fresh["time_to_fresh_s"] is None else _seconds(fresh["time_to_fresh_s"]),
        _seconds(cost["cpu_s"] if cost else None),
    ]


def _shares(row: Mapping[str, Any]) -> list[str]:
    return [_share(row["figures"].get(measure)) for measure in _SHARES]


def _share(found: Mapping[str, float] | None) -> str:
    return "" if found is None else f"{found['value']:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
