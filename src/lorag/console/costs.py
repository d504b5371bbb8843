"""The printed ledger, break-even and advice."""

from collections.abc import Mapping, Sequence
from typing import Any

from lorag.console.terminal import say, table
from lorag.costs.records import Machine
from lorag.counted import counted, noun_for
from lorag.questions.coverage import Coverage
from lorag.strategies import READER

_SERVED = "served"
"""`lorag.costs.ledger.SERVED`, which would take a tenth of a second to import."""

_MEASURES = ["s", "tokens", "MB", "Wh"]


def show_costs(result: Mapping[str, Any]) -> None:
    """Print a row for each update and batch of answers; below, the costs of each kind."""
    if not result["n_entries"]:
        say("Nothing was measured yet: run `lorag refresh`, `lorag retrain` and `lorag compare`.")
        return
    entries = result["entries"]
    shown = "" if len(entries) == result["n_entries"] else f", the newest {len(entries)}"
    table(
        f"Updates and batches of answers: {result['n_entries']}{shown}",
        ["UTC", "what", *_MEASURES, "money", "run"],
        [_entry_row(entry) for entry in entries],
        n_texts=2,
    )
    machines = list(dict.fromkeys(_machine(total["machine"]) for total in result["totals"]))
    marks = {name: f" [{number}]" if len(machines) > 1 else "" for number, name in enumerate(machines, start=1)}
    rows = [
        _total_row(total, part, marks[_machine(total["machine"])])
        for total in result["totals"]
        for part in ("median", "total")
    ]
    table("By kind and strategy", ["what", "runs", "", *_MEASURES, "money"], rows)
    for name, mark in marks.items():
        if mark:
            say(f"{mark.strip()} was measured on {name}.")
    if result["n_repeated"]:
        said = counted(result["n_repeated"], "run")
        say(f"Not counted, because an older run reports the same answers and costs: {said}.")
    if result["n_skipped"]:
        say(f"Left out, because no cost or no strategy is reported: {counted(result['n_skipped'], 'run')}.")


def _entry_row(entry: Mapping[str, Any]) -> list[str]:
    cost = entry["cost"]
    tokens = sum(value for name, value in cost.items() if name.startswith("tokens_"))
    queries = f" {entry['n_queries']}" if entry["n_queries"] else ""
    # What was served is the sum of a day, and midnight would look like its time.
    last = 10 if entry["source"] == _SERVED else 16
    return [
        entry["started_utc"][5:last].replace("T", " "),
        _sort(entry) + queries,
        *_numbers(cost["wall_s"], tokens, cost["bytes_written"], cost["kwh"]),
        f"{cost['money']:.3g} {cost['currency']}",
        entry["run_id"][:6],
    ]


def _machine(machine: Mapping[str, Any] | None) -> str:
    return str(Machine.from_json(machine)) if machine else "an unknown machine"


def _total_row(total: Mapping[str, Any], part: str, mark: str) -> list[str]:
    named = [_sort(total) + mark, str(total["count"])] if part == "median" else ["", ""]
    names = ("wall_s", "tokens", "bytes_written", "kwh")
    values = _numbers(*(None if total[name] is None else total[name][part] for name in names))
    return [*named, "sum" if part == "total" else part, *values, f"{total['money'][part]:.3g} {total['currency']}"]


def _sort(row: Mapping[str, Any]) -> str:
    unfinished = row["outcome"] if row["outcome"] in ("refused", "failed", "ahead") else None
    served = _SERVED if row["source"] == _SERVED else None
    words = [row["kind"], row["strategy"], row["extent"], unfinished, served]
    return " ".join(word for word in words if word)


def _numbers(seconds: float | None, tokens: float | None, written: float | None, kwh: float | None) -> list[str]:
    scaled = [(seconds, 1.0), (tokens, 1.0), (written, 1e-6), (kwh, 1e3)]
    return ["?" if value is None else _short(value * factor) for value, factor in scaled]


def _short(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def show_break_even(result: Mapping[str, Any]) -> None:
    """Print what each strategy costs, where two cost the same, and which prices move that line."""
    unit = result["currency"] if result["unit"] == "money" else "CPU and GPU s"
    rows = [
        [
            name,
            *_band(one["update"], 1),
            *_band(one["query"], 1000),
            "?" if one["accuracy"] is None else f"{one['accuracy']:.3f}",
            "?" if one["time_to_fresh_s"] is None else f"{one['time_to_fresh_s']:.0f}",
        ]
        for name, one in result["strategies"].items()
    ]
    if rows:
        columns = ["strategy", "update", "least", "most", "1k asks", "least", "most", "right", "fresh s"]
        table(f"{unit}, as measured: the median of an update and of 1,000 questions", columns, rows)
        stored = [f"{name} {one['storage_a_day']:.2g}" for name, one in result["strategies"].items()]
        say(f"Storage a day: {', '.join(stored)}")
        if any(one["stored_bytes"] is None for one in result["strategies"].values()):
            say("The index is on a server: these costs contain neither its processors and memory nor its storage.")
    for name, one in result["strategies"].items():
        if one["n_left_out"]:
            said = counted(one["n_left_out"], "entry")
            say(f"{name}: not counted, because of other settings or fewer questions: {said}.")
        if one["n_served"]:
            say(f"{name}: the cost of a question is that of {counted(one['n_served'], 'answer')} of the service.")
    _say_elsewhere(result["n_elsewhere"])
    for line in result["crossings"]:
        say(_crossing(line))
    if at := result["at"]:
        a_day = ", ".join(f"{name} {cost:.2g}" for name, cost in at["a_day"].items())
        found = f"{at['cheapest']} is the cheapest" if at["cheapest"] else "no strategy of the chart is measured"
        say(f"With {_load(at)}{_origin(at['traffic'])}: {found}. {unit} a day: {a_day or 'not measured'}")
    _show_policies(result["policies"], unit)
    for name, why in result["left_out"].items():
        say(f"{name} is not in the chart: {why}.")
    for moved in result["sensitivity"]:
        now, then = _queries(moved["slope"]), _queries(moved["slope_doubled"])
        if now != then:
            say(f"Twice {moved['price']}: {moved['first']} = {moved['second']} at {then}, not {now}")
    for name, missing in result["missing"].items():
        for one in missing:
            say(f"{name} lacks {one['what']}: {one['do']}")
    if result["plot"]:
        say(f"The chart is in {result['plot']}.")


def _load(at: Mapping[str, Any]) -> str:
    queries, updates = at["queries_per_day"], at["updates_per_day"]
    return f"{queries:.3g} {noun_for(queries, 'query')} and {updates:.3g} {noun_for(updates, 'update')} a day"


def _origin(traffic: Mapping[str, Any] | None) -> str:
    """Return where a load comes from, as words behind it; none if it was given."""
    if traffic is None:
        return ""
    days = "today" if traffic["days"] == 1 else f"the last {traffic['days']} days"
    return f", as the service had {days}"


def _show_policies(policies: Sequence[Mapping[str, Any]], unit: str) -> None:
    if not policies:
        return
    rows = [
        [
            one["policy"],
            _short(one["update"]["median"]),
            _short(1000 * one["query"]["median"]),
            "?" if one["accuracy"] is None else f"{one['accuracy']:.3f}",
            _line_of_policy(one),
        ]
        for one in policies
    ]
    columns = ["policy", "update", "1k asks", "right", f"less than {READER} at"]
    table(f"By policy, {unit}: retrains that are due, refused or not", columns, rows)
    say(f"Less than {READER} at: the queries for each update with which the policy costs less than {READER}.")


def _line_of_policy(one: Mapping[str, Any]) -> str:
    slope = one["queries_per_update"]
    if one["always_cheaper"]:
        return "never" if one["always_cheaper"] == READER else "always"
    if slope is None:
        return ""
    if slope < 0:
        return "its storage"
    return f"{'<' if one['cheaper_above'] == READER else '>'} {slope:,.0f}"


def _band(band: Mapping[str, float], factor: float) -> list[str]:
    least, middle, greatest = (band[part] * factor for part in ("least", "median", "greatest"))
    spread = [f"{value:.2g}" if value < 1 else _short(value) for value in (least, greatest)]
    return [_short(middle), *spread]


def _crossing(line: Mapping[str, Any]) -> str:
    first, second = line["first"], line["second"]
    if not line["exists"]:
        cheaper = line["always_cheaper"]
        return f"{first} and {second} never cross: " + (f"{cheaper} is cheaper" if cheaper else "they cost the same")
    if line["queries_per_update"] is None:
        return f"{first} and {second} cross at a number of updates, whatever the number of queries"
    if line["by_storage_alone"]:
        offset = line["queries_offset"]
        less = f"{offset:.2g} {noun_for(offset, 'query')} a day without an update"
        return f"{first} and {second} cross at {less}, by storage alone; with more {line['cheaper_above']} is cheaper"
    low, high = line["queries_per_update_range"]
    span = f"{low:,.0f} - {high:,.0f}" if line["sure"] else "within what was measured they may not cross"
    return (
        f"{first} = {second} at {_queries(line['queries_per_update'])} ({span}); "
        f"with more {line['cheaper_above']} is cheaper"
    )


def _queries(slope: float | None) -> str:
    return "no point" if slope is None or slope < 0 else f"{slope:,.1f} queries an update"


def show_advice(result: Mapping[str, Any]) -> None:
    """Print the advice; below each strategy, what speaks for and against it."""
    if advice := result["advice"]:
        say(f"{advice['strategy'] or 'No advice'}: {advice['reason']}.")
        if traffic := advice["traffic"]:
            say(f"For {_load(traffic)}{_origin(traffic)}, where no numbers are given.")
        for verdict in advice["verdicts"]:
            say("")
            cost = verdict["cost_a_day"]
            price = "cost not measured" if cost is None else f"{cost:.3g} {advice['currency']} a day"
            say(f"{verdict['strategy']}{'' if verdict['fits'] else ' is ruled out'}, {price}")
            if verdict["n_served"]:
                say(f"  the cost of a question is that of {counted(verdict['n_served'], 'answer')} of the service")
            if verdict["coverage"]:
                say(f"  coverage of its training: {Coverage.from_json(verdict['coverage']).line()}")
            _say_findings(verdict["findings"], _STANCES)
        _say_missing(advice["missing"])
        _say_elsewhere(advice["n_elsewhere"])
    if pending := result["pending"]:
        say(f"For the pending changes: {_ACTIONS[pending['action']]}.")
        for kind, when in pending["retrain"].items():
            stopped = kind in pending["stopped"]
            say(f"  {kind}: {'its retrain was stopped before it began, see below' if stopped else _WHEN[when]}")
        _say_findings(pending["findings"], dict.fromkeys(_STANCES, "-"))
        _say_missing(pending["missing"])
        if not advice:
            _say_elsewhere(pending["n_elsewhere"])


_STANCES = {"for": "+", "against": "-", "rules_out": "x"}
_ACTIONS = {
    "nothing": "nothing to do",
    "index_only": "the index only, run `lorag refresh`",
    "schedule_retrain": "a retrain, the index is current",
    "both": "the index, run `lorag refresh`, and a retrain",
}
_WHEN = {
    "now": "run `lorag retrain` now",
    "scheduled": "later, see below",
    "not": "no retrain is needed",
}


def _say_findings(findings: Sequence[Mapping[str, Any]], signs: Mapping[str, str]) -> None:
    for finding in findings:
        run = f" [run {finding['run_id'][:6]}]" if finding["run_id"] else ""
        say(f"  {signs[finding['stance']]} {finding['sentence']}{run}")


def _say_elsewhere(n: int) -> None:
    if n:
        said = counted(n, "entry")
        say(f"Not counted, because they were measured on another machine than the newest: {said}.")


def _say_missing(missing: Sequence[Mapping[str, str]]) -> None:
    if missing:
        say("")
    for one in missing:
        say(f"Not measured: {one['what']}. To measure it: {one['do']}")
