"""The printed plan."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from lorag.console.terminal import say, show_lines, table
from lorag.costs.evidence import SECONDS_A_DAY, show_seconds
from lorag.costs.remedies import TIMELINE
from lorag.counted import counted, noun_for

_SHARES = {"changed": "new", "added": "add", "unchanged": "kept", "removed": "gone", "controls": "ctrl"}
_LEGEND = (
    "every n: retrained with each n-th update; at n%: when n% of the answers changed",
    "or were removed; once: trained once. The first training is in no cost.",
    "Right answers in %: all facts, new (changed), add(ed), kept (unchanged), gone",
    "(removed, no longer answered), ctrl (questions beside the documents).",
    "fresh: the longest time from a change to its first right answer.",
    ">: taken. *: no policy answers more right for less.",
)


def show_plan(result: Mapping[str, Any]) -> None:
    """Print the policy to take and the next best, what would change the choice, and all policies."""
    # It imports numpy, which every command would wait for.
    from lorag.evaluation.rule_error import RULE_ERROR

    known = {one["policy"]: one for one in result["policies"]}
    taken, following = known.get(result["taken"]), known.get(result["next_best"])
    if taken is None:
        say(f"No policy: {result['reason']}.")
    else:
        say(f"Take `{taken['policy']}`: {taken['when']}.")
        say(f"  {result['reason']}")
        show_lines([f"  {line}" for line in _figures(taken, result)])
        if following is None:
            say("There is no next best: every other measured policy breaks a limit, see below.")
        else:
            show_lines(list(_next_best(following, taken, result)))
        show_lines([_turn(turn) for turn in result["turns"]] or ["No other load in the chart's range changes that."])
        show_lines(list(_how_to_follow(result)))
    if traffic := result["traffic"]:
        days = "today" if traffic["days"] == 1 else f"the last {traffic['days']} days"
        say(f"What is not given of the load is as the service had it {days}.")
    if known:
        _show_table(result)
        show_lines(_LEGEND)
        show_lines(wrap(RULE_ERROR.line(), 78))
    for why, names in _grouped((one["policy"], one["against"]) for one in result["policies"]).items():
        say(f"Not taken, {why}: {'; '.join(names)}")
    missing = [(one["policy"], [f"{m['what']}: {m['do']}" for m in one["missing"]]) for one in result["policies"]]
    for what in [*(f"{one['what']}: {one['do']}" for one in result["missing"]), *_grouped(missing)]:
        say(f"Not measured: {what}")
    if result["n_elsewhere"]:
        say(f"Not counted, because measured on another machine: {counted(result['n_elsewhere'], 'entry')}.")
    if result["plot"]:
        say(f"The chart is in {result['plot']}.")


def _figures(one: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    cost, right = one["cost_a_day"], one["right"]["accuracy"]
    yield (
        f"{cost['median']:.3g} {result['currency']} a day ({cost['least']:.3g} to {cost['greatest']:.3g}), "
        f"{right['value']:.1%} right ({right['low']:.1%} to {right['high']:.1%})"
    )
    least = result["demand"]["min_accuracy"]
    if least is not None and right["low"] < least:
        yield f"its interval reaches below the {least:.0%} that were asked for"
    yield "a change never reaches its answers" if one["never_fresh"] else f"a change is right after {_fresh(one)}"
    if not one["repeats"]:
        n = one["n_updates"]
        days = show_seconds(n / result["demand"]["updates_per_day"] * SECONDS_A_DAY)
        yield f"measured for {n} update{'s' if n > 1 else ''} after its training, that is for {days}, and not beyond"
        yield f"(`{TIMELINE}` over more versions measures more)"


def _next_best(one: Mapping[str, Any], taken: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    cost, right = one["cost_a_day"]["median"], one["right"]["accuracy"]
    yield f"Next best: `{one['policy']}`, {cost:.3g} {result['currency']} a day, {right['value']:.1%} right"
    other = taken["right"]["accuracy"]
    if right["low"] <= other["high"] and other["low"] <= right["high"]:
        yield "  (the intervals of their right answers overlap: the cost decides)"
    if one["cost_a_day"]["least"] < taken["cost_a_day"]["greatest"]:
        yield "  (by the spread of what was measured, it may also be the cheaper one)"


def _how_to_follow(result: Mapping[str, Any]) -> Iterator[str]:
    yield "params.yaml holds it now:" if result["followed"] else "In params.yaml, or with --follow:"
    policy = result["params"]["policy"]
    yield "  policy:"
    yield f"    strategy: {policy['strategy']}"
    for kind, rule in policy.get("retrain", {}).items():
        said = ", ".join(f"{name}: {'null' if value is None else value}" for name, value in rule.items())
        yield f"    retrain: {{{kind}: {{{said}}}}}"
        yield "A page that is removed starts a retrain besides, if policy.retrain says so."


def show_check(result: Mapping[str, Any]) -> None:
    """Print what a followed plan predicted beside what was measured since, and what would be chosen now."""
    followed = result["followed"]
    say(f"Followed since {followed['since_utc'][:16].replace('T', ' ')} UTC: `{followed['name']}`.")
    say(f"In force: {result['in_force']}.")
    if not result["is_in_force"]:
        say("That is not what was followed: params.yaml was changed since.")
    if result["days"] is not None:
        numbers = {"update": result["n_updates"], "retrain": result["n_retrains"], "question": result["n_queries"]}
        passed = ", ".join(counted(n, what) for what, n in numbers.items())
        rows = [_check_row(row) for row in result["figures"]]
        table(
            f"In {result['days']:.3g} {noun_for(result['days'], 'day')}: {passed}",
            ["", "predicted", "real", "ratio"],
            rows,
        )
        if result["cost_of_others"]:
            say(f"Other strategies cost {result['cost_of_others']:.3g} {followed['currency']} besides.")
        for row in result["figures"]:
            if row["real"] is None and row["do"]:
                say(f"Not measured since: {row['what']}. To measure it: {row['do']}")
    if result["now"] is None:
        say(f"No choice by the real load: {result['reason']}.")
    elif result["would_change"]:
        say(f"By the real load and today's figures another one is to be taken: `{result['now']}`, {result['reason']}.")
    else:
        say(f"By the real load and today's figures it is still the one to take: {result['reason']}.")


def _check_row(row: Mapping[str, Any]) -> list[str]:
    numbers = ["?" if row[name] is None else _short(row[name]) for name in ("predicted", "real", "ratio")]
    return [f"{row['what']}{', ' if row['unit'] else ''}{row['unit']}", *numbers]


def _turn(turn: Mapping[str, Any]) -> str:
    side = "With more than" if turn["is_above"] else "With fewer than"
    policy = f"`{turn['policy']}`" if turn["policy"] else "no measured policy keeps all limits"
    return f"{side} {_short(turn['at'])} {turn['axis']} a day: {policy}"


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}" if value < 1e6 else f"{value:.3g}"


def _show_table(result: Mapping[str, Any]) -> None:
    demand = result["demand"]
    updates, queries = demand["updates_per_day"], demand["queries_per_day"]
    load = f"{_short(updates)} {noun_for(updates, 'update')} and {_short(queries)} {noun_for(queries, 'query')} a day"
    interval = f"{result['confidence']:.0%}"
    columns = ["policy", result["currency"], "all", interval, *_SHARES.values(), "fresh"]
    table(load, columns, [_row(one, result["taken"]) for one in result["policies"]])


def _row(one: Mapping[str, Any], taken: str | None) -> list[str]:
    right, cost = one["right"], one["cost_a_day"]
    mark = ">" if one["policy"] == taken else "*" if one["on_frontier"] else " "
    every = right.get("accuracy")
    return [
        f"{mark} {one['policy']}",
        f"{cost['median']:.3g}" if cost else "?",
        _percent(every),
        f"{100 * every['low']:.0f}-{100 * every['high']:.0f}" if every else "",
        *(_percent(right.get(name)) for name in _SHARES),
        "never" if one["never_fresh"] else _fresh(one),
    ]


def _percent(share: Mapping[str, float] | None) -> str:
    return "?" if share is None else f"{100 * share['value']:.0f}"


def _fresh(one: Mapping[str, Any]) -> str:
    seconds = one["time_to_fresh_s"]
    return "?" if seconds is None else show_seconds(seconds)


def _grouped(pairs: Iterator[tuple[str, Sequence[str]]] | Sequence[tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Return by each sentence the names that it holds for."""
    found: dict[str, list[str]] = {}
    for name, sentences in pairs:
        for sentence in sentences:
            found.setdefault(sentence, []).append(name)
    return found
