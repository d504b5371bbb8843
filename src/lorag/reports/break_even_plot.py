"""The break-even as a matplotlib figure that needs no display."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lorag.costs.break_even import BreakEven
from lorag.costs.crossing import Crossing, SlopeRange
from lorag.costs.evidence import show_seconds
from lorag.costs.unit_costs import Measured, UnitCosts
from lorag.counted import counted

POINTS = 400
"""The number of points of a line along each axis."""


def plot_break_even(found: BreakEven) -> Figure:
    """Draw the regions of the cheapest strategy on log-log axes, lines between them, and each strategy's figures."""
    figure = Figure(figsize=(9.6, 4.6), dpi=120, layout="constrained")
    axes, notes = figure.subplots(1, 2, width_ratios=[2.2, 1])
    axes.set_title(f"The cheapest way, in {found.unit_name}", loc="left", fontweight="bold")
    axes.set_xlabel("updates a day")
    axes.set_ylabel("queries a day")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale("log")
    axes.set_yscale("log")
    if found.grid.cheapest:
        _draw_regions(axes, found)
        drawn = [
            (line, span)
            for line, span in zip(found.crossings, found.ranges, strict=True)
            if line.exists and {line.first, line.second} <= set(found.grid.strategies)
        ]
        for number, (line, span) in enumerate(drawn):
            _draw_line(axes, found, line, span, label_at=0.4 + 0.12 * number)
        axes.set_xlim(found.grid.updates[0], found.grid.updates[-1])
        axes.set_ylim(found.grid.queries[0], found.grid.queries[-1])
    _write_notes(notes, found)
    return figure


def _draw_regions(axes: Axes, found: BreakEven) -> None:
    grid = found.grid
    numbers = np.array([[grid.strategies.index(name) for name in row] for row in grid.cheapest])
    colours = ListedColormap([name.profile.colour for name in grid.strategies])
    limits = (-0.5, len(grid.strategies) - 0.5)
    axes.pcolormesh(
        grid.updates,
        grid.queries,
        numbers,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        alpha=0.25,
        linewidth=0,
        rasterized=True,
    )
    for number, name in enumerate(grid.strategies):
        rows, columns = np.nonzero(numbers == number)
        if rows.size:
            row, column = int(np.median(rows)), int(np.median(columns[rows == int(np.median(rows))]))
            place = (grid.updates[column], grid.queries[row])
            axes.text(*place, name, color=name.profile.colour, fontsize=13, fontweight="bold", ha="center", va="center")


def _draw_line(axes: Axes, found: BreakEven, line: Crossing, span: SlopeRange, *, label_at: float) -> None:
    """Draw a line: solid if it bounds the region of the cheapest, dashed if a third strategy costs less than both."""
    updates = np.geomspace(found.grid.updates[0], found.grid.updates[-1], POINTS)
    queries = np.geomspace(found.grid.queries[0], found.grid.queries[-1], POINTS)
    # Points from both axes, for the steep parts and for the flat parts.
    pairs: list[tuple[float | None, float | None]] = [(float(u), line.queries_at(float(u))) for u in updates]
    pairs += [(line.updates_at(float(q)), float(q)) for q in queries]
    points = sorted((u, q) for u, q in pairs if u is not None and q is not None)
    seen = [(u, q) for u, q in points if updates[0] <= u <= updates[-1] and queries[0] <= q <= queries[-1]]
    if not seen:
        return
    place = seen[min(int(label_at * len(seen)), len(seen) - 1)]
    is_border = _is_border(found, line, *place)
    style = "-" if is_border else "--"
    axes.plot([u for u, _ in seen], [q for _, q in seen], color="black", linewidth=1.2, linestyle=style)
    if line.offset is not None and span.least is not None and span.greatest is not None and span.sure:
        low, high = (np.maximum(slope * updates + line.offset, 1e-9) for slope in (span.least, span.greatest))
        axes.fill_between(updates, low, high, color="black", alpha=0.12, linewidth=0)
    what = "" if line.slope is None or line.falls else f": {counted(round(line.slope), 'query')} an update"
    label = f"{line.first} = {line.second}{what}"
    # Labels of solid and dashed lines are on different sides, so two close lines stay readable.
    beside, side = ((6, -10), "left") if is_border else ((-6, 6), "right")
    axes.annotate(label, place, textcoords="offset points", xytext=beside, fontsize=8, ha=side)


def _is_border(found: BreakEven, line: Crossing, updates: float, queries: float) -> bool:
    a_day = {cost.strategy: cost.a_day(updates, queries) for cost in found.costs}
    least = min(a_day[name] for name in found.grid.strategies)
    return a_day[line.first] <= least * (1 + 1e-9)


def _write_notes(axes: Axes, found: BreakEven) -> None:
    axes.axis("off")
    known = {one.strategy: one for one in found.measured}
    top = 1.0
    for cost in found.costs:
        lines = _note(cost, known[cost.strategy], found.unit_name)
        if why := found.left_out.get(cost.strategy):
            lines.append(f"not shown: {why}")
        axes.text(0, top, cost.strategy, color=cost.strategy.profile.colour, fontweight="bold", va="top", fontsize=10)
        axes.text(0, top - 0.05, "\n".join(lines), va="top", fontsize=8)
        top -= 0.11 + 0.042 * len(lines)
    for strategy in found.missing:
        axes.text(0, top, f"{strategy}: not measured yet", color=strategy.profile.colour, va="top", fontsize=8)
        top -= 0.06


def _note(cost: UnitCosts, measured: Measured, unit: str) -> list[str]:
    right = "accuracy not measured" if measured.accuracy is None else f"{measured.accuracy:.0%} right"
    seconds = measured.time_to_fresh_s
    fresh = "freshness not measured" if seconds is None else f"fresh after {show_seconds(seconds)}"
    return [f"{right}, {fresh}", f"{cost.update.median:.3g} {unit} an update", f"{cost.query.median:.3g} a question"]
