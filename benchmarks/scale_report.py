"""The report of scale.py: a fit, tables and a picture."""

from pathlib import Path
from typing import Any

import numpy as np

KB, MB = 2**10, 2**20
WAYS = ("dense", "bm25", "hybrid")
REFRESH = "processor seconds of a refresh"


def fit(sizes: dict[int, dict[str, Any]]) -> dict[str, float]:
    """Return processor seconds per changed chunk, per chunk of the corpus, and per refresh; empty for a single size."""
    steps = [(rows, results[step]) for rows, results in sizes.items() for step in ("refresh_1pct", "refresh_10")]
    if len(sizes) < 2:
        return {}
    matrix = np.array([[step["embedded"], rows, 1] for rows, step in steps], float)
    solved = np.linalg.lstsq(matrix, np.array([step["cpu_s"] for _, step in steps]), rcond=None)[0]
    return dict(zip(("s_a_changed_chunk", "s_a_chunk_of_the_corpus", "s_fixed"), solved.tolist(), strict=True))


def show(found: dict[str, Any]) -> None:
    """Print the tables in Markdown."""
    encoder = found["encoder_cpu_s"]
    print(
        f"{found['store']}; the real encoder: {found['texts_a_s']:.0f} texts/s, {encoder * 1e3:.1f} processor ms each\n"
    )
    _table(
        ["chunks", "build", "1 %", "ten chunks", "build, us a chunk", "1 % of the build", "with the encoder", "load"],
        [_times(rows, steps, encoder) for rows, steps in found["sizes"].items()],
    )
    print("\nSeconds, in brackets processor seconds; shares are of processor time.\n")
    _table(
        ["chunks", "build", "refresh of 1 %", "index", "cache", "Weaviate's server", "a process that asks, MB"],
        [_sizes(rows, steps) for rows, steps in found["sizes"].items()],
    )
    print("\nKB a chunk but for the last; build and refresh: the most memory that they held.\n")
    _table(
        ["chunks", "dense p50 / p95 ms", "BM25", "hybrid", "processor ms a search", "recall@10"],
        [_searches(rows, steps["search"]) for rows, steps in found["sizes"].items()],
    )
    if found["fit"]:
        changed, corpus, fixed = (f"{value:.2g}" for value in found["fit"].values())
        print(f"\nProcessor seconds of a refresh: {changed} * changed + {corpus} * chunks + {fixed}")


def _table(heads: list[str], rows: list[list[str]]) -> None:
    for cells in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(cells)} |")


def _times(rows: int, steps: dict[str, Any], encoder: float) -> list[str]:
    build, one, ten = (steps[name] for name in ("build", "refresh_1pct", "refresh_10"))
    whole = [step["cpu_s"] + step["embedded"] * encoder for step in (build, one)]
    return [
        f"{rows:,}",
        *(f"{step['seconds']:.2f} ({step['cpu_s']:.2f})" for step in (build, one, ten)),
        f"{build['cpu_s'] / rows * 1e6:.0f}",
        f"{one['cpu_s'] / build['cpu_s']:.0%}",
        f"{whole[1] / whole[0]:.1%}",
        f"{build['load_average']}",
    ]


def _sizes(rows: int, steps: dict[str, Any]) -> list[str]:
    build, one = steps["build"], steps["refresh_1pct"]
    server = build["server_bytes"] - steps["server_bytes_before"]
    held = [build["peak_bytes"], one["peak_bytes"], build["disk_bytes"], build["cache_bytes"], server]
    return [f"{rows:,}", *(f"{each / rows / KB:.1f}" for each in held), f"{steps['search']['peak_bytes'] / MB:.0f}"]


def _searches(rows: int, found: dict[str, float]) -> list[str]:
    ways = [f"{found[f'{way}_p50_ms']} / {found[f'{way}_p95_ms']}" for way in WAYS]
    return [f"{rows:,}", *ways, f"{found['cpu_ms']:.1f}", f"{found['recall_at_10']:.2f}"]


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw time and memory per chunk, refreshes and latencies over the number of chunks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = found["sizes"]
    steps = {"build": "build", "refresh of 1 %": "refresh_1pct"}
    panels: dict[str, dict[str, list[float]]] = {
        "processor us a chunk": {n: [s[k]["cpu_s"] / r * 1e6 for r, s in sizes.items()] for n, k in steps.items()},
        "KB of memory a chunk": {n: [s[k]["peak_bytes"] / r / KB for r, s in sizes.items()] for n, k in steps.items()},
        REFRESH: {
            name: [s[step]["cpu_s"] for s in sizes.values()]
            for name, step in {"1 %": "refresh_1pct", "ten chunks": "refresh_10"}.items()
        },
        "ms a search, p50": {way: [s["search"][f"{way}_p50_ms"] for s in sizes.values()] for way in WAYS},
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(16, 3.6), constrained_layout=True)
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, values in lines.items():
            axis.plot(list(sizes), values, marker="o", label=name)
        # What must not grow is drawn from zero. The time of a refresh grows with the change, over decades.
        grows = title == REFRESH
        axis.set(title=title, xlabel="chunks", xscale="log", yscale="log" if grows else "linear")
        if not grows:
            axis.set_ylim(bottom=0)
        axis.legend()
    figure.savefig(path, dpi=110)
