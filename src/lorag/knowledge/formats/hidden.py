"""The HTML elements that a reader of the page does not see."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""The elements that never have an end tag."""

UNREAD = frozenset(
    "script style template noscript iframe object svg math canvas audio video select datalist button nav".split()
)
"""The elements whose content is not part of the text: code, controls, drawings, menus."""

_INVISIBLE = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|(?:^|;)opacity:0?\.?0*(?:;|!|$)"
    r"|font-size:0*\.?0*(?:px|pt|em|rem|%)?(?:;|!|$)|text-indent:-\d{3,}|(?:left|top):-\d{4,}"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;!]+)")
_BACKGROUND = re.compile(r"(?:^|;)background(?:-color)?:([^;!]+)")
_WHITE = re.compile(r"white|#f{3,4}|#f{6}(?:f{2})?|rgba?\(255,255,255(?:,1(?:\.0*)?)?\)|hsl\(\d+,\d+%,100%\)")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_AT_RULE = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]*[.#][\w-]+")


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    hidden: bool
    colour: str
    background: str


class HiddenElements:
    """A follower of start and end tags that knows whether the content at this point is visible.

    Styles of the element itself and rules for one class or one id are read. Not covered: other selectors, media
    queries, linked style sheets, scripts.
    """

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._hiding_selectors: set[str] = set()

    @property
    def active(self) -> bool:
        """Whether some open element hides its content."""
        return bool(self._open) and self._open[-1].hidden

    def add_style_sheet(self, css: str) -> None:
        """Learn which classes and ids a `<style>` element hides."""
        css = _AT_RULE.sub("", _COMMENT.sub("", css.lower()))
        for selectors, style in _RULE.findall(css):
            if _INVISIBLE.search(_compact(style)):
                simple = (selector.strip() for selector in selectors.split(","))
                self._hiding_selectors.update(name for name in simple if _SIMPLE_SELECTOR.fullmatch(name))

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element; `tag` and attribute names in lower case."""
        if tag in VOID:
            return
        parent = self._open[-1] if self._open else _Open("", False, "black", "white")
        style = _compact(attributes.get("style", ""))
        colour = _first(_COLOUR, style, attributes.get("color", "")) or parent.colour
        background = _first(_BACKGROUND, style, attributes.get("bgcolor", "")) or parent.background
        hidden = parent.hidden or "hidden" in attributes or bool(style and _INVISIBLE.search(style))
        hidden = hidden or colour == background or self._hidden_by_rule(tag, attributes)
        self._open.append(_Open(tag, hidden, colour, background))

    def end(self, tag: str) -> None:
        """End an element and the elements inside it that were left open; ignore an end without a start."""
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index].tag == tag:
                del self._open[index:]
                return

    def _hidden_by_rule(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if not self._hiding_selectors:
            return False
        names = [f".{name}" for name in attributes.get("class", "").lower().split()]
        names += [f"#{attributes['id'].lower()}"] if "id" in attributes else []
        return any(name in self._hiding_selectors or tag + name in self._hiding_selectors for name in names)


def attributes_of(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the attributes with names in lower case; a missing value becomes an empty one."""
    return {name.lower(): value or "" for name, value in pairs}


def _compact(style: str) -> str:
    return "".join(style.lower().split())


def _first(pattern: re.Pattern[str], style: str, attribute: str) -> str:
    match = pattern.search(style)
    value = match[1] if match else _compact(attribute)
    return "white" if _WHITE.fullmatch(value) else value
