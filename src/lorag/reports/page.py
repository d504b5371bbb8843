"""Reports as one HTML file that works offline: sections of text, tables and drawings."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells; the first column names the row.

    `marks` gives a cell a class such as `right`, as (row, column, class).
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marks: frozenset[tuple[int, int, str]] = frozenset()

    def mark(self, row: int, column: int) -> str:
        """Return the class of a cell; empty if it has none."""
        return next((name for r, c, name in self.marks if (r, c) == (row, column)), "")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs, figures and tables, in this order; all text is escaped."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


def render_page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the whole file."""
    shown = [(section, [_svg(figure) for figure in section.figures]) for section in sections]
    return _environment().get_template("report.html.jinja").render(title=title, lead=lead, sections=shown)


def _svg(figure: Figure) -> Markup:
    buffer = io.StringIO()
    # Letters stay text: the file is smaller, and a search in the page finds them.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lorag"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawing = buffer.getvalue()
    return Markup(drawing[drawing.index("<svg") :])


@functools.cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("lorag.reports"), undefined=StrictUndefined, autoescape=True)
