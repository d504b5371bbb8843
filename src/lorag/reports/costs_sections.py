"""The sections of a report on costs: the break-even and the ledger."""

from collections.abc import Sequence

from lorag.costs.break_even import BreakEven, Sensitivity
from lorag.costs.crossing import Crossing, SlopeRange
from lorag.costs.ledger import SERVED, Ledger, LedgerEntry, Summary, summarise
from lorag.counted import counted, noun_for
from lorag.reports.page import Section, Table
from lorag.strategies import READER

ENTRIES = 40
"""The number of ledger entries shown, the newest; `lorag costs` shows all."""

_SORT = ["kind", "strategy", "extent"]
_USE = ["s", "processor s", "tokens", "MB written", "Wh", "money"]


def break_even_section(found: BreakEven, *, draws: bool = True) -> Section:
    """Return the chart, where two strategies cost the same, and how that changes if a price doubles.

    Without `draws` the chart is left out.
    """
    said = [
        "The cost of a day is updates x the median of an update + queries x the median of a question + storage. Two "
        "strategies cost the same along a line; with more queries per update than given, the named one is cheaper.",
        *(f"{name} is not in the chart: {why}." for name, why in found.left_out.items()),
        *(f"{name} lacks {one.what}: {one.do}." for name, missing in found.missing.items() for one in missing),
    ]
    if not found.grid.cheapest:
        return Section("Break-even", said)
    pairs = zip(found.crossings, found.ranges, strict=True)
    lines = Table(["pair", "queries an update", "least", "most", "cheaper above"], [_line(*pair) for pair in pairs])
    moved = [_moved(one) for one in found.sensitivity if _slope(one.slope) != _slope(one.slope_doubled)]
    tables = [lines, *_policy_tables(found)]
    if moved:
        tables.append(Table(["price, doubled", "pair", "queries an update", "then"], moved, "If a price doubles"))
    if not draws:
        return Section("Break-even", said, (), tables)
    # Matplotlib takes half a second to import.
    from lorag.reports.break_even_plot import plot_break_even

    return Section("Break-even", said, [plot_break_even(found)], tables)


def ledger_section(ledger: Ledger) -> Section:
    """Return every kind of update and of answers with the median and the sum, then the newest entries."""
    if not ledger.entries:
        return Section("Ledger", ["Nothing was measured yet."])
    totals = [
        [*_sort(one), f"{one.count}", part, *_use_of(one, part)]
        for one in summarise(ledger.entries)
        # The median of one run is its total.
        for part in (("median", "total") if one.count > 1 else ("total",))
    ]
    shown, entries = ledger.entries[:ENTRIES], counted(len(ledger.entries), "entry")
    newest = [[entry.started_utc[:16].replace("T", " "), *_sort(entry), *_use_of_entry(entry)] for entry in shown]
    said = ["At today's prices, not those of the time. Answers that were already known are not generated again."]
    if ledger.entries[0].cost.machine:
        said.append(f"Measured on {ledger.entries[0].cost.machine}.")
    if ledger.n_elsewhere:
        said.append(f"Left out: {counted(ledger.n_elsewhere, 'entry')} of other machines, which `lorag costs` shows.")
    return Section(
        "Ledger",
        said,
        (),
        [
            Table([*_SORT, "runs", "", *_USE], totals, "By kind and strategy"),
            Table(
                ["UTC", *_SORT, *_USE],
                newest,
                f"The newest {len(shown)} of {entries}",
                folded=True,
            ),
        ],
    )


def _policy_tables(found: BreakEven) -> list[Table]:
    rows = [
        [
            one.policy,
            f"{one.costs.update.median:.3g}",
            f"{1000 * one.costs.query.median:.3g}",
            "?" if one.accuracy is None else f"{one.accuracy:.0%}",
            *(("", "") if one.line is None else (_slope(one.line.slope), _cheaper(one.line))),
        ]
        for one in found.policies
    ]
    columns = ["policy", "an update", "1,000 questions", "right", f"= {READER} at queries an update", "cheaper above"]
    return (
        [Table(columns, rows, f"By policy, {found.unit_name}: retrains that are due, refused or not")] if rows else []
    )


def _cheaper(line: Crossing) -> str:
    if line.exists:
        return line.cheaper_above or ""
    return f"{line.always_cheaper}, always" if line.always_cheaper else "neither"


def _line(line: Crossing, span: SlopeRange) -> list[str]:
    pair = f"{line.first} and {line.second}"
    if not line.exists:
        return [pair, "never", "", "", f"{line.always_cheaper}, always" if line.always_cheaper else "neither"]
    if line.falls:
        from_here = f"{line.offset:.2g} {noun_for(line.offset or 0, 'query')}"
        return [pair, "never", "", "", f"{line.cheaper_above}, from {from_here} a day without an update"]
    bounds = [_slope(span.least), _slope(span.greatest)] if span.sure else ["they may", "not cross"]
    return [pair, _slope(line.slope), *bounds, line.cheaper_above or ""]


def _moved(one: Sensitivity) -> list[str]:
    return [
        one.price.replace("_", " "),
        f"{one.first} and {one.second}",
        _slope(one.slope),
        _slope(one.slope_doubled),
    ]


def _slope(value: float | None) -> str:
    return "no point" if value is None or value < 0 else f"{value:,.1f}"


def _sort(row: LedgerEntry | Summary) -> list[str]:
    extent = row.extent.value if row.extent else SERVED if row.source == SERVED else ""
    return [row.kind.value, row.strategy or "", extent]


def _use_of(one: Summary, part: str) -> list[str]:
    spreads = [one.wall_s, one.cpu_s, one.tokens, one.bytes_written, one.kwh, one.money]
    values = [None if spread is None else float(getattr(spread, part)) for spread in spreads]
    return _cells(values, one.currency)


def _use_of_entry(entry: LedgerEntry) -> list[str]:
    use = entry.cost.use
    return _cells(
        [use.wall_s, use.cpu_s, use.tokens, use.bytes_written, use.kwh, entry.cost.money], entry.cost.currency
    )


def _cells(values: Sequence[float | None], currency: str) -> list[str]:
    factors = [1.0, 1.0, 1.0, 1e-6, 1e3, 1.0]
    cells = ["?" if value is None else _number(value * by) for value, by in zip(values, factors, strict=True)]
    return [*cells[:-1], f"{cells[-1]} {currency}"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
