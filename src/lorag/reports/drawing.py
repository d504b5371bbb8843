"""Drawings as SVG that stands in a page: no inline style, no ids of its own, and ink in the colour of the text."""

import hashlib
import io
import re
import threading
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_INK = {"#000000", "#333333", "black"}
_LEFT_OUT = {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}
_WIDE_INCHES = 6
_NUMBER = re.compile(r"-?\d+\.\d+")
# The settings of matplotlib are those of the process.
_DRAWING = threading.Lock()
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def draw_svg(figure: Figure) -> Markup:
    """Return the figure as an `svg` element.

    A strict Content-Security-Policy forbids style attributes, so they become attributes of their own. What is black
    takes the colour of the text around it, and nothing is painted behind it, so that it can be read on a dark page too.
    """
    buffer = io.StringIO()
    # Letters stay text: the file is smaller, and a search in the page finds them.
    with _DRAWING, rc_context({"svg.fonttype": "none", "svg.hashsalt": "lorag"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(text[text.index("<svg") :])  # noqa: S314 - drawn above
    own = f"d{hashlib.sha256(text.encode()).hexdigest()[:10]}-"
    _clean(root, own, _referred(root))
    # A wide one keeps a width at which it can be read, and a small one is not blown up to it.
    root.set("class", "drawing" if figure.get_figwidth() >= _WIDE_INCHES else "drawing narrow")
    root.set("role", "img")
    root.set("aria-label", _label(figure))
    root.set("fill", "currentColor")
    root.set("stroke-linejoin", "round")
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - texts are escaped by ElementTree


def _label(figure: Figure) -> str:
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    return "; ".join(" ".join(title.split()) for title in titles if title) or "drawing"


def _referred(root: ElementTree.Element) -> set[str]:
    found = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            found |= set(_REFERENCE.findall(value))
            if name == _LINK and value.startswith("#"):
                found.add(value[1:])
    return found


def _clean(element: ElementTree.Element, own: str, referred: set[str]) -> None:
    for child in list(element):
        if child.tag in _LEFT_OUT:
            element.remove(child)
            continue
        _clean(child, own, referred)
    declared = element.attrib.pop("style", "")
    for declaration in filter(None, map(str.strip, declared.split(";"))):
        name, _, value = declaration.partition(":")
        # The letters of the page around it.
        if name.strip() != "font-family":
            element.set(name.strip(), value.strip())
    for name, value in list(element.attrib.items()):
        if name == "id":
            _keep_id(element, own, referred)
        elif name in ("fill", "stroke") and value in _INK:
            element.set(name, "currentColor")
        elif name in ("d", "points", "x", "y", "width", "height"):
            element.set(name, _NUMBER.sub(lambda found: f"{float(found[0]):.1f}", " ".join(value.split())))
        elif "url(#" in value:
            element.set(name, _REFERENCE.sub(lambda found: f"url(#{own}{found[1]})", value))
        elif name == _LINK and value.startswith("#"):
            element.set(name, f"#{own}{value[1:]}")
    element.text = None if element.text is not None and not element.text.strip() else element.text
    element.tail = None


def _keep_id(element: ElementTree.Element, own: str, referred: set[str]) -> None:
    name = element.attrib.pop("id")
    if name in referred:
        element.set("id", f"{own}{name}")
