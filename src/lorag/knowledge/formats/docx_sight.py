"""Whether a reader of a Word document sees a run: by its own properties, its styles and what is behind it."""

from collections.abc import Iterator
from typing import Any

from lorag.knowledge.formats.hidden import Sight

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_WHITE = {"FFFFFF", "ffffff", "white"}
_NO_FILL = {None, "auto", "clear", "none", *_WHITE}
_FILLS = {f"{_A}solidFill", f"{_A}gradFill", f"{_A}blipFill", f"{_A}pattFill"}
_SMALLEST_HALF_POINTS = 2


class RunStyles:
    """The properties of runs and paragraphs with those of their styles, and of the styles that these are based on."""

    def __init__(self, word: Any) -> None:
        self._styles = {style.style_id: style.element for style in word.styles}
        self.names = {style.style_id: (style.name or "").lower() for style in word.styles}
        body = word.element
        ground = body.find(f"{W}background")
        self._page_may_be_dark = ground is not None and ground.get(f"{W}color") not in _NO_FILL
        # A picture behind the text may be anywhere on the page.
        self._page_may_be_dark |= any(anchor.get("behindDoc") in ("1", "true") for anchor in body.iter(f"{_WP}anchor"))

    def name_of(self, paragraph: Any) -> str:
        """Return the name of a paragraph's style in lower case; empty without one."""
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        return "" if style is None else self.names.get(style.get(f"{W}val"), "")

    def find(self, run: Any, name: str) -> Any | None:
        """Return the property `name` that applies to a run: its own, else that of its style, else its paragraph's."""
        for properties in self._run_properties(run):
            if (found := properties.find(f"{W}{name}")) is not None:
                return found
        return None

    def sight(self, run: Any) -> Sight:
        """Return whether a run is seen: not if it is marked as hidden, or white on white."""
        if is_on(self.find(run, "vanish")):
            return Sight.HIDDEN
        size = self.find(run, "sz")
        is_tiny = size is not None and _number(size) <= _SMALLEST_HALF_POINTS
        colour = self.find(run, "color")
        if colour is None or colour.get(f"{W}val") not in _WHITE:
            return Sight.UNSURE if is_tiny else Sight.SEEN
        return self._white(run)

    def _white(self, run: Any) -> Sight:
        """Return whether white text is seen, from the innermost shading outwards."""
        for name in ("highlight", "shd"):
            mark = self.find(run, name)
            if mark is not None and (_fill(mark) not in _NO_FILL):
                return Sight.SEEN
        unsure = self._page_may_be_dark
        for ancestor in run.iterancestors():
            name = ancestor.tag.rpartition("}")[2]
            if name == "p":
                if any(_fill(shade) not in _NO_FILL for shade in self._paragraph_shades(ancestor)):
                    return Sight.SEEN
            elif name in ("tc", "tbl"):
                shade = ancestor.find(f"{W}{name}Pr/{W}shd")
                if shade is not None and _fill(shade) not in _NO_FILL:
                    return Sight.SEEN
                unsure |= ancestor.find(f"{W}tblPr/{W}tblStyle") is not None
            elif name == "txbxContent":
                return Sight.SEEN if _is_filled(ancestor) else Sight.UNSURE
        return Sight.UNSURE if unsure else Sight.HIDDEN

    def _run_properties(self, run: Any) -> Iterator[Any]:
        own = run.find(f"{W}rPr")
        if own is not None:
            yield own
            yield from self._chain(own.find(f"{W}rStyle"), "rPr")
        paragraph = next(run.iterancestors(f"{W}p"), None)
        if paragraph is not None:
            yield from self._chain(paragraph.find(f"{W}pPr/{W}pStyle"), "rPr")

    def _paragraph_shades(self, paragraph: Any) -> Iterator[Any]:
        own = paragraph.find(f"{W}pPr")
        if own is not None:
            yield from own.iterchildren(f"{W}shd")
            for properties in self._chain(own.find(f"{W}pStyle"), "pPr"):
                yield from properties.iterchildren(f"{W}shd")

    def _chain(self, style: Any | None, part: str) -> Iterator[Any]:
        """Yield the properties of a style and of those that it is based on."""
        seen: set[str] = set()
        while style is not None and (key := style.get(f"{W}val")) not in seen and key in self._styles:
            seen.add(key)
            if (properties := self._styles[key].find(f"{W}{part}")) is not None:
                yield properties
            style = self._styles[key].find(f"{W}basedOn")


def is_on(toggle: Any | None) -> bool:
    """Whether a property such as `<w:vanish/>` is there and not switched off."""
    return toggle is not None and toggle.get(f"{W}val") not in ("0", "false", "off", "none")


def _fill(mark: Any) -> str | None:
    """Return the colour of a shading or a highlight."""
    value = mark.get(f"{W}fill") if mark.tag == f"{W}shd" else mark.get(f"{W}val")
    return None if value is None else str(value)


def _number(element: Any) -> float:
    text = element.get(f"{W}val") or ""
    return float(text) if text.isdigit() else float("inf")


def _is_filled(content: Any) -> bool:
    """Whether the shape around the content of a text box has a fill of its own."""
    for shape in content.iterancestors():
        name = shape.tag.rpartition("}")[2]
        if name == "wsp":
            return any(child.tag in _FILLS for part in shape if part.tag.endswith("}spPr") for child in part)
        if name in ("shape", "rect", "roundrect", "oval"):
            return shape.get("fillcolor") not in (None, "white", "#ffffff") and shape.get("filled") not in (
                "f",
                "false",
            )
    return False
