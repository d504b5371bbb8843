"""The plots of a comparison, as matplotlib figures that need no display."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lorag.counted import counted
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import IDEAL, Comparison, Figures, is_variant
from lorag.evaluation.routing import Routing
from lorag.strategies import Auto, Strategy

QUALITY = ("accuracy", "exact_match", "f1", "abstention", "controls", "style", "citation_recall")
SECONDS = ("ttft_p50_s", "p50_s", "p95_s")


def plot_quality(comparison: Comparison) -> Figure:
    """Draw the main measures by strategy, with their intervals."""
    names = [name for name in QUALITY if any(name in figures for figures in comparison.strategies.values())]
    real = {name: figures for name, figures in comparison.strategies.items() if not is_variant(name)}
    return _grouped(real, names, f"Quality, with {comparison.confidence:.0%} intervals")


def plot_strata(comparison: Comparison) -> Figure | None:
    """Draw the accuracy by stratum and strategy, with intervals; None if no fact was asked."""
    strata = list(dict.fromkeys(name for found in comparison.strata.values() for name in found))
    if not strata:
        return None
    given = {
        strategy: {name: figures["accuracy"] for name, figures in found.items() if "accuracy" in figures}
        for strategy, found in comparison.strata.items()
        if not is_variant(strategy)
    }
    sizes = {name: next(found[name].n for found in given.values() if name in found) for name in strata}
    labels = [f"{name}\n{counted(sizes[name], 'question')}" for name in strata]
    return _grouped(given, strata, "Accuracy by what happened to the fact", labels=labels)


def plot_retrievers(comparison: Comparison) -> Figure | None:
    """Draw the accuracy with the real and with an ideal retriever; None if no strategy searched."""
    reading = [name for name in comparison.strategies if f"{name}{IDEAL}" in comparison.strategies]
    if not reading:
        return None
    figure, axes = _start("Accuracy by retriever", 4.5)
    for shift, kind, alpha in ((-0.2, "", 1.0), (0.2, IDEAL, 0.5)):
        for place, name in enumerate(reading):
            found = comparison.strategies[f"{name}{kind}"].get("accuracy")
            if found is not None:
                _bar(axes, place + shift, found, 0.38, Strategy(name).profile.colour, "", alpha)
    axes.set_xticks(
        [place + shift for place in range(len(reading)) for shift in (-0.2, 0.2)],
        [f"{name}\n{kind}" for name in reading for kind in ("real", "ideal")],
    )
    axes.set_ylim(0, 1.1)
    return figure


def plot_seconds(speeds: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the time to the first token and to the whole answer, by strategy."""
    names = [name for name in SECONDS if any(name in figures for figures in speeds.values())]
    figure, axes = _start("Seconds from the question, one at a time", 1.6 + 1.5 * len(names), "seconds")
    width = 0.8 / max(1, len(speeds))
    for place, (strategy, figures) in enumerate(speeds.items()):
        known = [(at, figures[name]) for at, name in enumerate(names) if name in figures]
        bars = axes.bar(
            [at + (place - (len(speeds) - 1) / 2) * width for at, _ in known],
            [value for _, value in known],
            width * 0.92,
            color=Strategy(strategy).profile.colour,
            label=strategy,
        )
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
    labels = {"ttft_p50_s": "first token, p50", "p50_s": "answer, p50", "p95_s": "answer, p95"}
    axes.set_xticks(range(len(names)), [labels[name] for name in names])
    _legend(axes, len(speeds))
    return figure


def plot_risk(routing: Routing) -> Figure:
    """Draw the share of wrong answers over the share of questions that are answered, most certain first."""
    figure, axes = _start("Wrong answers, if the least certain questions are left out", 5.5, "share that is wrong")
    coverage, risk = zip(*routing.calibration.curve, strict=True)
    axes.plot(coverage, risk, color="#333333", marker="o", markersize=3, label=Auto.AUTO)
    single = routing.verdict.single
    axes.axhline(1 - routing.mix[single].value, color=single.profile.colour, linestyle="--", label=f"{single}, all")
    axes.set_xlabel("share of the questions that is answered")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    return figure


def _grouped(
    given: Mapping[str, Figures], names: Sequence[str], title: str, *, labels: Sequence[str] | None = None
) -> Figure:
    figure, axes = _start(title, 1.6 + 1.5 * len(names), "share")
    width = 0.8 / max(1, len(given))
    for place, (strategy, figures) in enumerate(given.items()):
        label = strategy
        for at, name in enumerate(names):
            if name in figures:
                x = at + (place - (len(given) - 1) / 2) * width
                _bar(axes, x, figures[name], width * 0.92, Strategy(strategy).profile.colour, label)
                label = ""
    axes.set_xticks(range(len(names)), labels or [name.replace("_", " ") for name in names])
    axes.set_ylim(0, 1.1)
    _legend(axes, len(given))
    return figure


def _bar(axes: Axes, x: float, found: Estimate, width: float, colour: str, label: str, alpha: float = 1.0) -> None:
    # A bootstrap interval may not contain the value; the length of an error bar cannot be negative.
    error = [[max(0.0, found.value - found.low)], [max(0.0, found.high - found.value)]]
    axes.bar([x], [found.value], width, color=colour, label=label or None, alpha=alpha)
    axes.errorbar([x], [found.value], yerr=error, color="#333333", linewidth=1, capsize=2)
    axes.text(x, min(found.high, 1.02) + 0.02, f"{found.value:.2f}", ha="center", va="bottom", fontsize=7)


def _legend(axes: Axes, n: int) -> None:
    if n:
        axes.legend(frameon=False, ncols=n, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _start(title: str, width: float, ylabel: str = "share") -> tuple[Figure, Axes]:
    figure = Figure(figsize=(min(max(width, 4.5), 11), 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
