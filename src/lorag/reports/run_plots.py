"""Plots of a refresh, as matplotlib figures that need no display."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lorag.evaluation.probes import Probe
from lorag.retrieval.plan import PlanCounts

_BLUE, _GREEN, _AMBER, _RED, _GREY = "#3b6fb6", "#3f9b6c", "#d99a2b", "#c0504d", "#9aa0a6"


def plot_plan(counts: PlanCounts) -> Figure:
    """Draw the number of chunks by action, one bar each."""
    bars = {
        "added": (counts.added, _GREEN),
        "changed": (counts.changed, _AMBER),
        "removed": (counts.removed, _RED),
        "kept": (counts.kept, _GREY),
    }
    figure, axes = _start("What the refresh does", "chunks", height=2.4)
    drawn = axes.barh(list(bars), [size for size, _ in bars.values()], color=[color for _, color in bars.values()])
    axes.bar_label(drawn, labels=[f"{size:,}" for size, _ in bars.values()], padding=4)
    axes.invert_yaxis()
    # From 0 even if all bars are empty, with room for the labels.
    axes.set_xlim(0, max(1, *(size for size, _ in bars.values())) * 1.15)
    return figure


def plot_chunk_tokens(spread: Mapping[int, int], max_tokens: int, *, width: int = 20) -> Figure:
    """Draw lengths of chunks and the limit; `spread` maps the lower edge of each bin of `width` tokens to chunks."""
    figure, axes = _start("Length of chunks", "tokens of the embedder, special ones included", ylabel="chunks")
    axes.bar(list(spread), list(spread.values()), width * 0.92, align="edge", color=_BLUE)
    axes.axvline(max_tokens, color=_RED, linestyle="--", linewidth=1.2)
    axes.set_title(f"limit {max_tokens}", loc="right", color=_RED, fontsize=9)
    axes.set_ylim(bottom=0)
    return figure


def plot_retrieval(metrics: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw retrieval metrics (0..1) by retriever: `metrics[retriever][name]`, a group of bars per metric."""
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    figure, axes = _start(
        "Retrieval on the golden questions", "", ylabel="mean over questions", width=1.6 + 1.1 * len(names)
    )
    width = 0.8 / max(1, len(metrics))
    for place, (retriever, values) in enumerate(metrics.items()):
        known = [(index, values[name]) for index, name in enumerate(names) if name in values]
        bars = axes.bar(
            [index + (place - (len(metrics) - 1) / 2) * width for index, _ in known],
            [value for _, value in known],
            width * 0.92,
            label=retriever,
            color=(_GREY, _AMBER, _BLUE, _GREEN, _RED)[place % 5],
        )
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
    axes.set_xticks(range(len(names)), [name.replace("_at_", "@").replace("_", " ") for name in names])
    axes.set_ylim(0, 1.12)
    if metrics:
        axes.legend(frameon=False, ncols=len(metrics), loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return figure


def plot_loss(losses: Mapping[str, Mapping[int, float]]) -> Figure:
    """Draw each loss over steps: `losses[name][step]`."""
    figure, axes = _start("Loss", "step", ylabel="mean over tokens of answers")
    for place, (name, values) in enumerate(losses.items()):
        axes.plot(list(values), list(values.values()), label=name, color=(_BLUE, _AMBER, _GREEN)[place % 3], lw=1.2)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def plot_probes(probes: Sequence[Probe]) -> Figure:
    """Draw the probes of an adapter, one bar each, with a mark at its limit; red if it failed."""
    figure, axes = _start("Probes of the adapter", "", height=0.9 + 0.4 * len(probes))
    colours = [_GREY if probe.limit is None else _GREEN if probe.passed else _RED for probe in probes]
    bars = axes.barh([probe.name for probe in probes], [probe.value for probe in probes], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    for place, probe in enumerate(probes):
        if probe.limit is not None:
            axes.plot([probe.limit, probe.limit], [place - 0.4, place + 0.4], color="black", linewidth=1.2)
    axes.invert_yaxis()
    return figure


def _start(
    title: str, xlabel: str, *, ylabel: str = "", width: float = 6.0, height: float = 3.4
) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(max(width, 4.5), height), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
