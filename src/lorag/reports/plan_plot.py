"""The policies as a matplotlib figure that needs no display."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from lorag.costs.plan import Option, Plan


def plot_plan(plan: Plan) -> Figure:
    """Draw the cost of a day against the share of right answers with its interval, and the frontier as a line."""
    figure = Figure(figsize=(7.6, 4.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title("Right answers for the cost of a day", loc="left", fontweight="bold")
    axes.set_xlabel(f"{plan.currency} a day, at {plan.demand.load.removesuffix(' a day')}")
    axes.set_ylabel(f"right, of all facts ({plan.confidence:.0%} interval)")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.14)
    axes.set_ylim(-0.02, 1.02)
    axes.spines[["top", "right"]].set_visible(False)
    seen: set[object] = set()
    for option in plan.choice.options:
        # Two policies of one schedule are one point.
        if option.is_known and option.schedule not in seen:
            seen.add(option.schedule)
            # Neighbours are often close: every other name is below its point.
            _draw_option(axes, option, is_taken=option is plan.choice.taken, is_below=len(seen) % 2 == 0)
    frontier = [_place(option) for option in plan.choice.options if option.on_frontier]
    if frontier:
        axes.step(*zip(*frontier, strict=True), where="post", color="black", linewidth=0.9, linestyle="--", zorder=1)
    return figure


def _draw_option(axes: Axes, option: Option, *, is_taken: bool, is_below: bool) -> None:
    colour = option.policy.strategy.profile.colour
    cost, right = _place(option)
    share = option.accuracy
    bars = ([right - share.low], [share.high - right]) if share else None
    axes.errorbar(cost, right, yerr=bars, color=colour, marker="o", markersize=5, elinewidth=1, alpha=0.9)
    if is_taken:
        axes.plot(cost, right, "o", markersize=12, markerfacecolor="none", markeredgecolor="black")
    weight, offset = "bold" if is_taken else "normal", (7, -13 if is_below else 6)
    axes.annotate(
        option.policy.name, (cost, right), textcoords="offset points", xytext=offset, fontsize=8, fontweight=weight
    )


def _place(option: Option) -> tuple[float, float]:
    cost = option.cost_a_day.median if option.cost_a_day else 0.0
    return cost, option.accuracy.value if option.accuracy else 0.0
