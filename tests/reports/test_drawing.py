"""Drawings in a page with a strict policy: no inline style, no clash of ids, letters that stay text."""

import re
from concurrent.futures import ThreadPoolExecutor

from matplotlib.figure import Figure

from lorag.reports.break_even_plot import plot_break_even
from lorag.reports.drawing import draw_svg
from tests.costs.measured import found


def draw(title: str) -> str:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    axes.plot([1, 2], [1, 2], color="black", marker="o")
    axes.bar([1], [2], color="#3b6fb6")
    return draw_svg(figure)


def test_nothing_in_it_needs_inline_style() -> None:
    drawing = draw("Depth")
    assert "style" not in drawing and "<metadata" not in drawing
    assert 'fill="#3b6fb6"' in drawing, "the colour of a strategy is an attribute"


def test_ink_is_that_of_the_page_on_no_ground() -> None:
    drawing = draw("Depth")
    assert 'stroke="currentColor"' in drawing
    assert not re.search(r"#000000|#ffffff", drawing)


def test_a_reader_without_eyes_hears_its_title() -> None:
    assert 'role="img" aria-label="Depth"' in draw("Depth")


def test_two_drawings_share_no_id_and_each_refers_to_its_own() -> None:
    one, other = draw("Depth"), draw("Width")
    ids = [set(re.findall(r' id="([^"]+)"', drawing)) for drawing in (one, other)]
    assert ids[0] and not ids[0] & ids[1]
    for drawing, own in zip((one, other), ids, strict=True):
        referred = set(re.findall(r"url\(#([^)]+)\)", drawing)) | set(re.findall(r'href="#([^"]+)"', drawing))
        assert referred <= own


def test_letters_stay_text_while_several_threads_draw() -> None:
    with ThreadPoolExecutor(4) as pool:
        drawings = list(pool.map(draw, [f"Depth {number}" for number in range(12)]))
    for number, drawing in enumerate(drawings):
        assert f">Depth {number}</text>" in drawing


def test_the_break_even_has_its_raster_within() -> None:
    drawing = draw_svg(plot_break_even(found()))
    assert "data:image/png;base64," in drawing and "style=" not in drawing
