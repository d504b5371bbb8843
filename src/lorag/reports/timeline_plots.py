"""A timeline as matplotlib figures that need no display."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from lorag.counted import counted
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineRow, TimelineStep

_LEFTOVERS = {"stale": "changed facts\nanswered as before", "removed_leaked": "removed facts\nstill answered"}
_LEFTOVERS |= {"forgotten": "unchanged facts\nforgotten"}


def plot_freshness(timeline: Timeline) -> Figure:
    """Draw the accuracy on changed facts over the seconds since the change, a panel for each step that changed some.

    A line starts or steps when a release is served. A strategy that waits for its retrain uses the adapter from before
    the change until then.
    """
    steps = [step for step in timeline.steps if step.facts.get("changed")] or list(timeline.steps[-1:])
    figure = Figure(figsize=(1.6 + 4.4 * len(steps), 3.8), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for axes, step in zip(panels, steps, strict=True):
        _draw_step(axes, step)
    panels[0].set_ylabel("right, of changed facts")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, frameon=False, ncols=len(handles), loc="outside lower center")
    return figure


def plot_leftovers(timeline: Timeline) -> Figure:
    """Draw what is left of the old knowledge in each row: stale answers, leaked removed facts, and forgotten facts."""
    rows = [(step, row) for step in timeline.steps[1:] for row in step.rows if row.figures]
    measures = [name for name in _LEFTOVERS if any(name in row.figures for _, row in rows)]
    figure = Figure(figsize=(2.2 + 2.6 * len(measures), 1.4 + 0.26 * len(rows)), dpi=120, layout="constrained")
    if not measures:
        return figure
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, measures, strict=True):
        _draw_shares(axes, name, [row for _, row in rows])
    panels[0].set_yticks(range(len(rows)), [f"{step.version} {_label(row)}" for step, row in rows], fontsize=8)
    panels[0].invert_yaxis()
    return figure


def _draw_step(axes: Axes, step: TimelineStep) -> None:
    _frame(axes)
    axes.set_title(
        f"{step.version}: {counted(step.facts.get('changed', 0), 'changed fact')}", loc="left", fontweight="bold"
    )
    axes.set_xlabel("seconds since the change")
    times = [row.fresh.published_s for row in step.rows if row.fresh.published_s]
    first, last = (min(times) / 3, max(times) * 3) if times else (0.1, 10.0)
    axes.set_xscale("log")
    # By default every minor tick of a short span has a label, and the labels overlap.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(first, last)
    axes.set_ylim(0, 1.05)
    refreshed_s = min(times, default=first)
    for strategy in dict.fromkeys(row.strategy for row in step.rows):
        points = [
            (_served_from(row, first, refreshed_s), row.figures["changed"].value)
            for row in step.rows
            if row.strategy == strategy and "changed" in row.figures
        ]
        if points:
            points.append((last, points[-1][1]))
            axes.step(
                *zip(*points, strict=True), where="post", color=strategy.profile.colour, label=strategy, linewidth=2
            )
    for row in step.rows:
        if row.fresh.published_s and "changed" in row.figures and not _cannot_know(row):
            place = (row.fresh.published_s, row.figures["changed"].value)
            axes.plot(*place, "o", color=row.strategy.profile.colour, markersize=5)
            axes.annotate(
                f"{row.fresh.published_s:.0f} s", place, textcoords="offset points", xytext=(4, 5), fontsize=7
            )


def _served_from(row: TimelineRow, first: float, refreshed_s: float) -> float:
    """Return the time from which a row is valid; without an update that touches it, it is valid from the start."""
    if row.fresh.published_s:
        return row.fresh.published_s
    return first if row.moment is Moment.REFRESHED else refreshed_s


def _draw_shares(axes: Axes, name: str, rows: Sequence[TimelineRow]) -> None:
    _frame(axes)
    axes.set_title(_LEFTOVERS[name], fontsize=9, loc="left")
    axes.set_xlim(0, 1.15)
    for place, row in enumerate(rows):
        if (found := row.figures.get(name)) is not None:
            axes.barh(place, found.value, color=row.strategy.profile.colour, alpha=0.55 if row.is_stale else 1.0)
            axes.text(found.value + 0.02, place, f"{found.value:.2f} of {found.n}", va="center", fontsize=7)


def _label(row: TimelineRow) -> str:
    return f"{row.name} (refused)" if row.failed_probes else row.name


def _frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _cannot_know(row: TimelineRow) -> bool:
    # An adapter from before the change that reads nothing.
    return row.is_stale and not row.strategy.profile.reads
