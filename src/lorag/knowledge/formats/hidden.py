"""Whether a reader of the page sees an element: yes, no, or it cannot be told from the page alone."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from lorag.knowledge.formats.colours import read_colour
from lorag.knowledge.formats.styles import Declared, Element, StyleSheets, read_declarations

VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""The elements that never have an end tag."""

UNREAD = frozenset(
    "script style template noscript noframes noembed iframe object canvas audio video select datalist nav rp".split()
)
"""The elements whose content is not part of the text: code, controls, what stands in for media, menus."""

_MENUS = frozenset("navheader navfooter navbar breadcrumb breadcrumbs pagination sphinxsidebar".split())
"""Classes by which DocBook, Sphinx and Bootstrap mark the menus of a page that is older than `nav`."""

_SPECIAL_TAGS = frozenset(("html", "body", "dialog", "font"))
_SPECIAL_ATTRIBUTES = frozenset("style hidden popover bgcolor background".split())
_ZERO = re.compile(r"0*\.?0+(?:px|pt|em|rem|%|vw)?")
_RELATIVE_SIZE = re.compile(r"inherit|unset|larger|smaller|[\d.]+(?:em|%)")
_FONT_SIZE = re.compile(r"(?:^|\s)(0|\d*\.?\d+(?:px|pt|em|rem|%|vw))(?=[\s/])")
_FAR = re.compile(r"-\d{4,}")
_INDENTED_AWAY = re.compile(r"-\d{3,}")
_CLIPPED = re.compile(r"rect\(\s*[01](?:px)?\b|inset\(\s*(?:50|100)%")
_COLOUR_WORD = re.compile(r"#\w+|(?:rgb|hsl)a?\([^)]*\)|var\([^)]*\)|(?<![\w-])[a-z]+(?![\w(-])")
_NO_COLOUR = frozenset(
    "repeat no scroll fixed local center top bottom left right cover contain auto round space inherit unset".split()
)
_IMAGE = re.compile(r"url\(|gradient\(|image")
_WHITE, _BLACK = "#ffffff", "#000000"


class Sight(IntEnum):
    """How sure it is that text can be seen."""

    SEEN = 0
    UNSURE = 1
    HIDDEN = 2


@dataclass(frozen=True, slots=True)
class _Open:
    """The look of an open element; `gone` is what nothing inside it can undo, the other three sights are inherited."""

    gone: Sight = Sight.SEEN
    visibility: Sight = Sight.SEEN
    size: Sight = Sight.SEEN
    indent: Sight = Sight.SEEN
    colour: str = _BLACK
    is_coloured: bool = False
    background: str = _WHITE  # empty where it is not known
    doubt: bool = False
    sight: Sight = Sight.SEEN
    display: str = ""
    align: str = ""


class _Styles:
    """What is declared for one element."""

    def __init__(self, sheets: dict[str, list[Declared]], style: str, *, linked: bool) -> None:
        self._found = sheets
        self._linked = linked
        for key, value, important in read_declarations(style) if style else ():
            self._found.setdefault(key, []).append(Declared(value, (1 + 2 * important, 0, 0), True))

    def read(self, *keys: str) -> tuple[str, list[str], bool]:
        """Return the value that wins (empty for none), those that may win, and whether another file could overrule."""
        found = sorted((item for key in keys for item in self._found.get(key, ())), key=lambda item: item.rank)
        sure = [item for item in found if item.sure]
        if not sure:
            return "", [item.value for item in found], self._linked
        best = sure[-1]
        others = [item.value for item in found if item.rank > best.rank and not item.sure]
        return best.value, others, self._linked and best.rank[0] in (0, 2)

    def judge(self, hides: Callable[[str], bool], *keys: str, inherited: Sight = Sight.SEEN) -> Sight:
        """Return what the properties `keys` do to the element; `inherited` where nothing is declared."""
        value, others, weak = self.read(*keys)
        verdict = inherited if value in ("", "inherit", "unset") else Sight.HIDDEN if hides(value) else Sight.SEEN
        if verdict is Sight.HIDDEN and value and weak:
            verdict = Sight.UNSURE
        alternatives = {hides(other) for other in others}
        differs = verdict is Sight.SEEN and True in alternatives or verdict is Sight.HIDDEN and False in alternatives
        return Sight.UNSURE if differs else verdict


class HiddenElements:
    """A follower of start and end tags that knows whether the content at this point is visible.

    It reads styles of elements, the page's own style sheets and old attributes. Where a linked style sheet, a picture
    or a rule that it cannot follow has a say, the answer is UNSURE. What scripts do is not covered.
    """

    def __init__(self, *, canvas_known: bool = True) -> None:
        self.linked = False  # whether the page has style sheets that are not read
        self._sheets = StyleSheets()
        self._path: list[Element] = []
        self._open: list[_Open] = []
        self._canvas = _Open(background=_WHITE if canvas_known else "")

    @property
    def sight(self) -> Sight:
        """Whether text at this point is seen."""
        return self._open[-1].sight if self._open else Sight.SEEN

    @property
    def display(self) -> str:
        """The `display` that is declared for the innermost element; empty if none is."""
        return self._open[-1].display if self._open else ""

    @property
    def align(self) -> str:
        """The `vertical-align` that is declared for the innermost element; empty if none is."""
        return self._open[-1].align if self._open else ""

    def add_style_sheet(self, css: str) -> None:
        """Learn the rules of a `<style>` element."""
        self._sheets.add(css)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element; `tag` and attribute names in lower case."""
        if tag in VOID:
            return
        parent = self._open[-1] if self._open else self._canvas
        element = Element(tag, attributes)
        self._path.append(element)
        declared = self._sheets.declared(self._path)
        if not declared and tag not in _SPECIAL_TAGS and _SPECIAL_ATTRIBUTES.isdisjoint(attributes):
            # As most elements: it looks as the one around it.
            has_layout = parent.display or parent.align
            self._open.append(replace(parent, display="", align="") if has_layout else parent)
            return
        linked = self.linked or self._sheets.is_exhausted
        styles = _Styles(declared, attributes.get("style", ""), linked=linked)
        look = _coloured(parent, element, styles, linked=linked)
        gone = max(parent.gone, _gone(element, styles))
        if tag in ("html", "body"):
            gone = min(gone, Sight.UNSURE)  # a page that hides everything shows it by other means
        look = replace(
            look,
            gone=gone,
            visibility=styles.judge(_is_invisible, "visibility", inherited=parent.visibility),
            size=_size(styles, parent.size),
            indent=styles.judge(_is_indented_away, "text-indent", inherited=parent.indent),
            display=styles.read("display")[0],
            align=styles.read("vertical-align")[0],
        )
        sight = max(gone, look.visibility, look.size, look.indent, _contrast(look))
        self._open.append(replace(look, sight=sight))

    def end(self, tag: str) -> None:
        """End an element and the elements inside it that were left open; ignore an end without a start."""
        for index in range(len(self._open) - 1, -1, -1):
            if self._path[index].tag == tag:
                del self._open[index:], self._path[index:]
                return


def is_menu(attributes: Mapping[str, str]) -> bool:
    """Whether an element is one of the page's menus by its role or class, and as little text as a `nav`."""
    return attributes.get("role") == "navigation" or not _MENUS.isdisjoint(attributes.get("class", "").split())


def attributes_of(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the attributes with names in lower case; a missing value becomes an empty one."""
    return {name.lower(): value or "" for name, value in pairs}


def _gone(element: Element, styles: _Styles) -> Sight:
    """Return what hides an element with everything in it."""
    display = styles.judge(lambda value: value == "none", "display")
    if not styles.read("display")[0]:
        if "hidden" in element.attributes:
            display = Sight.UNSURE if styles.read("display")[1] else Sight.HIDDEN
        elif element.tag == "dialog" and "open" not in element.attributes or "popover" in element.attributes:
            display = Sight.UNSURE
    faded = styles.judge(lambda value: bool(_ZERO.fullmatch(value)), "opacity")
    moved = max(styles.judge(lambda value: bool(_FAR.match(value)), side) for side in ("left", "top"))
    if moved is Sight.HIDDEN:
        position, others, weak = styles.read("position")
        if position not in ("absolute", "fixed", "relative"):
            moved = Sight.UNSURE if others or weak else Sight.SEEN
    if styles.read("animation", "animation-name")[0] not in ("", "none"):
        faded, moved = min(faded, Sight.UNSURE), min(moved, Sight.UNSURE)
    clipped = min(styles.judge(lambda value: bool(_CLIPPED.search(value)), "clip", "clip-path"), Sight.UNSURE)
    return max(display, faded, moved, clipped)


def _is_invisible(value: str) -> bool:
    return value in ("hidden", "collapse")


def _is_indented_away(value: str) -> bool:
    return bool(_INDENTED_AWAY.match(value))


def _size(styles: _Styles, inherited: Sight) -> Sight:
    value = _font_size(styles.read("font-size", "font")[0])
    if _RELATIVE_SIZE.fullmatch(value) and not _ZERO.fullmatch(value):
        return inherited
    return styles.judge(lambda text: bool(_ZERO.fullmatch(_font_size(text))), "font-size", "font", inherited=inherited)


def _font_size(value: str) -> str:
    """Return the size in a `font`, or the value of a `font-size` as it is."""
    match = _FONT_SIZE.search(value + " ") if " " in value or "/" in value else None
    return match[1] if match else value


def _coloured(parent: _Open, element: Element, styles: _Styles, *, linked: bool) -> _Open:
    """Return the element with its colours; `doubt` where they could be others."""
    colour, other_colours, _ = styles.read("color")
    colour = colour or element.attributes.get("color" if element.tag == "font" else "text", "")
    if element.tag not in ("font", "body") and not styles.read("color")[0]:
        colour = ""
    own = parent.colour, parent.is_coloured
    if colour in ("initial", "revert"):
        own = _BLACK, False
    elif colour not in ("", "inherit", "unset", "currentcolor"):
        own = read_colour(colour), True
    ground, other_grounds, _ = styles.read("background", "background-color")
    image, other_images, _ = styles.read("background", "background-image")
    ground = _ground_colour(ground) or read_colour(element.attributes.get("bgcolor", ""))
    background = ground if ground not in ("", "transparent", "initial", "none", "revert") else parent.background
    doubt = parent.doubt or linked
    if ground not in ("", "transparent", "initial", "none", "revert"):
        doubt = linked
    if _IMAGE.search(image) or "background" in element.attributes:
        background, doubt = "", True
    position = styles.read("position")[0]
    doubt = doubt or bool(other_colours or other_grounds or other_images) or position in ("absolute", "fixed", "sticky")
    return _Open(colour=own[0], is_coloured=own[1], background=background, doubt=doubt)


def _ground_colour(value: str) -> str:
    words = [word for word in _COLOUR_WORD.findall(re.sub(r"url\([^)]*\)", "", value)) if word not in _NO_COLOUR]
    return read_colour(words[0]) if words else ""


def _contrast(look: _Open) -> Sight:
    """Return whether the text stands out from what is behind it."""
    if look.colour == look.background:
        return Sight.HIDDEN if look.is_coloured and not look.doubt else Sight.UNSURE
    is_white_on_anything = look.is_coloured and look.colour == _WHITE and not look.background
    return Sight.UNSURE if is_white_on_anything or look.colour == "transparent" else Sight.SEEN
