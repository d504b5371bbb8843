import io

import pytest
from matplotlib.figure import Figure

from lorag.evaluation.probes import Probe
from lorag.reports.run_plots import plot_chunk_tokens, plot_loss, plot_plan, plot_probes, plot_retrieval
from lorag.retrieval.plan import PlanCounts


def _draw(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


@pytest.mark.parametrize(
    "figure",
    [
        plot_plan(PlanCounts(12, 3, 4, 1985)),
        plot_plan(PlanCounts(0, 0, 0, 0)),
        plot_chunk_tokens({20: 1, 180: 4}, 200),
        plot_chunk_tokens({}, 200),
        plot_retrieval({"dense": {"ndcg_at_10": 0.6}, "hybrid": {"ndcg_at_10": 0.7, "map": 1.0}}),
        plot_retrieval({}),
    ],
    ids=["plan", "empty plan", "tokens", "no chunks", "retrieval", "no questions"],
)
def test_plots_are_small_images_that_hold_a_title(figure: Figure) -> None:
    image = _draw(figure)

    assert image.startswith(b"\x89PNG")
    assert len(image) < 100_000
    assert figure.axes[0].get_title(loc="left")


def test_bars_are_as_long_as_what_they_count() -> None:
    widths = [bar.get_width() for bar in plot_plan(PlanCounts(12, 3, 4, 1985)).axes[0].patches]  # type: ignore[attr-defined]

    assert widths == [12, 3, 4, 1985]


def test_the_histogram_holds_every_chunk_even_beyond_the_limit() -> None:
    axes = plot_chunk_tokens({0: 1, 100: 1, 200: 1, 260: 1}, 200).axes[0]

    assert sum(bar.get_height() for bar in axes.patches) == 4  # type: ignore[attr-defined]


def test_probes_are_red_where_they_failed() -> None:
    probes = [Probe("new_facts", 0.4, 0.5, False), Probe("refusal", 0.9, 0.5, True), Probe("controls", 0.2, None, True)]
    figure = plot_probes(probes)
    colours = [bar.get_facecolor() for bar in figure.axes[0].patches]
    assert len(set(colours)) == 3
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.4, 0.9, 0.2]
    assert len(figure.axes[0].lines) == 2, "a mark for each limit"


def test_losses_are_drawn_over_their_own_steps() -> None:
    figure = plot_loss({"loss": {1: 2.0, 2: 1.0}, "validation_loss": {2: 1.5}})
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[1, 2], [2]]
