"""The text of a Word paragraph: raised, struck and hidden runs, notes, formulas, and the text boxes anchored in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lorag.knowledge.documents import Flag
from lorag.knowledge.formats.docx_sight import RunStyles, W, is_on
from lorag.knowledge.formats.formula import Formula, formula_text
from lorag.knowledge.formats.hidden import Sight
from lorag.knowledge.formats.markers import marker_of
from lorag.knowledge.formats.raised import lowered, raised

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOT_READ = {f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}pPr", f"{W}rPr", f"{W}rt", _FALLBACK}
_SIGNS = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_NOTES = {f"{W}footnoteReference": "1", f"{W}endnoteReference": "i"}


@dataclass(slots=True)
class WordParagraph:
    """The text of a paragraph, the notes that it refers to as (mark, element), and the text boxes anchored in it."""

    text: str = ""
    notes: list[tuple[str, Any]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)


class WordText:
    """A reader of paragraphs; it counts hidden text, and numbers the notes in the order in which they occur."""

    def __init__(self, styles: RunStyles, notes: Mapping[tuple[str, str], Any], flags: Counter[Flag]) -> None:
        self._styles = styles
        self._notes = notes
        self._flags = flags
        self._numbers: Counter[str] = Counter()

    def read(self, element: Any) -> WordParagraph:
        """Return the text of a paragraph."""
        found = WordParagraph()
        pieces = [piece for piece in self._pieces(element, found, "") if piece[1]]
        for kind, group in groupby(pieces, key=lambda piece: piece[0]):
            text = "".join(text for _, text in group)
            found.text += _WRITERS[kind](text, found.text) if kind else text
        return found

    def _pieces(self, element: Any, found: WordParagraph, kind: str) -> Iterator[tuple[str, str]]:
        """Yield the kind of each piece of text (a key of _WRITERS, or empty) with the text."""
        for child in element:
            if child.tag in _NOT_READ:
                continue
            if child.tag == f"{W}t":
                yield kind, child.text or ""
            elif child.tag in _SIGNS:
                yield kind, _SIGNS[child.tag]
            elif child.tag in _NOTES:
                yield "", self._note(child, found)
            elif child.tag == f"{W}txbxContent":
                found.boxes.append(child)
            elif child.tag == f"{_M}oMath":
                yield "", formula_text(_read_formula(child))
            elif child.tag == f"{W}r":
                if self._is_shown(child):
                    yield from self._pieces(child, found, self._kind(child))
            else:
                yield from self._pieces(child, found, kind)

    def _kind(self, run: Any) -> str:
        if any(is_on(self._styles.find(run, name)) for name in ("strike", "dstrike")):
            return "struck"
        align = self._styles.find(run, "vertAlign")
        return "" if align is None else str(align.get(f"{W}val"))

    def _is_shown(self, run: Any) -> bool:
        sight = self._styles.sight(run)
        if sight is not Sight.SEEN and "".join(run.itertext(f"{W}t")).strip():
            self._flags[Flag.HIDDEN_TEXT if sight is Sight.HIDDEN else Flag.MAYBE_HIDDEN] += 1
        return sight is not Sight.HIDDEN

    def _note(self, reference: Any, found: WordParagraph) -> str:
        note = self._notes.get((reference.tag, reference.get(f"{W}id")))
        if note is None:
            return ""
        self._numbers[reference.tag] += 1
        mark = f"[{marker_of(self._numbers[reference.tag], _NOTES[reference.tag])}]"
        found.notes.append((mark, note))
        return mark


def _read_formula(element: Any) -> Formula:
    """Return an Office formula in the form that `formula_text` writes."""
    name = element.tag.rpartition("}")[2].lower()
    if name == "t":
        return Formula("", element.text or "")
    formula = Formula(name)
    for child in element:
        if not child.tag.endswith("Pr"):
            formula.children.append(_read_formula(child))
    if name == "nary":
        sign = element.find(f"{_M}naryPr/{_M}chr")
        formula.text = "∫" if sign is None else str(sign.get(f"{_M}val"))
    return formula


def _struck(text: str, before: str) -> str:
    return f"~~{text.strip()}~~" if text.strip() else text


def _plain(text: str, before: str) -> str:
    return text


_WRITERS: dict[str, Callable[[str, str], str]] = {
    "superscript": raised,
    "subscript": lowered,
    "struck": _struck,
    "baseline": _plain,
}
