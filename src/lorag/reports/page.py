"""Reports as one HTML file that works offline: sections of text, tables and drawings."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells; the first column names the row.

    `marks` gives a cell a class such as `right`, as (row, column, class). A `folded` table shows its caption alone
    until it is opened.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marks: frozenset[tuple[int, int, str]] = frozenset()
    folded: bool = False

    def mark(self, row: int, column: int) -> str:
        """Return the class of a cell; empty if it has none."""
        return next((name for r, c, name in self.marks if (r, c) == (row, column)), "")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs, figures and tables, in this order; all text is escaped."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence["Figure"] = ()
    tables: Sequence[Table] = ()


def render_page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the whole file."""
    # Matplotlib takes half a second to import, and the service needs only the style.
    from lorag.reports.drawing import draw_svg

    shown = [(section, [draw_svg(figure) for figure in section.figures]) for section in sections]
    return _environment().get_template("report.html.jinja").render(title=title, lead=lead, sections=shown)


def sections_css() -> str:
    """Return the style of sections, which the report and the page share."""
    return files("lorag.reports").joinpath("templates", "sections.css").read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("lorag.reports"), undefined=StrictUndefined, autoescape=True)
