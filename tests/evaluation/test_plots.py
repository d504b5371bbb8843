import io

import pytest
from matplotlib.figure import Figure

from lorag.evaluation.plots import plot_chunk_tokens, plot_plan, plot_retrieval
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
