"""The numbers that Word shows before the items of its lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lorag.knowledge.formats.docx_sight import W
from lorag.knowledge.formats.markers import marker_of

_STYLES = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_PLACE = re.compile(r"%([1-9])")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list: the style of its number (empty for bullets), the text around it, and the first number."""

    style: str
    pattern: str
    start: int


class ListNumbers:
    """The counters of all lists of a document."""

    def __init__(self, levels: Mapping[tuple[str, int], Level]) -> None:
        self._levels = levels
        self._counts: dict[str, dict[int, int]] = {}

    def next_marker(self, list_id: str, level: int) -> str:
        """Return the marker of the next item of a list: `-`, `3.`, `b)` or `2.1`."""
        found = self._levels.get((list_id, level))
        if found is None or not found.style:
            return "-"
        counts = self._counts.setdefault(list_id, {})
        counts[level] = counts.get(level, found.start - 1) + 1
        for deeper in [key for key in counts if key > level]:
            del counts[deeper]
        return _PLACE.sub(lambda place: self._number(list_id, int(place[1]) - 1), found.pattern).strip() or "-"

    def _number(self, list_id: str, level: int) -> str:
        found = self._levels.get((list_id, level))
        if found is None or not found.style:
            return ""
        return marker_of(self._counts[list_id].get(level, found.start), found.style)


def read_levels(word: Any) -> dict[tuple[str, int], Level]:
    """Return the levels of a document's lists by (list id, level)."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    try:
        root = word.part.part_related_by(RELATIONSHIP_TYPE.NUMBERING).element
    except KeyError:
        return {}  # no lists
    abstract = {item.get(f"{W}abstractNumId"): _levels_of(item) for item in root.iter(f"{W}abstractNum")}
    found: dict[tuple[str, int], Level] = {}
    for number in root.iter(f"{W}num"):
        list_id = number.get(f"{W}numId")
        levels = dict(abstract.get(value_of(number, "abstractNumId"), {}))
        for override in number.iter(f"{W}lvlOverride"):
            levels |= _levels_of(override)
            key = _integer(override.get(f"{W}ilvl"))
            if (start := value_of(override, "startOverride")) and key in levels:
                levels[key] = Level(levels[key].style, levels[key].pattern, _integer(start))
        found |= {(list_id, key): level for key, level in levels.items()}
    return found


def value_of(parent: Any, name: str) -> str:
    """Return the value of the child `name`; empty if there is none."""
    child = parent.find(f"{W}{name}")
    return "" if child is None else str(child.get(f"{W}val"))


def _levels_of(parent: Any) -> dict[int, Level]:
    return {_integer(level.get(f"{W}ilvl")): _level(level) for level in parent.iterchildren(f"{W}lvl")}


def _level(level: Any) -> Level:
    kind = value_of(level, "numFmt")
    style = "" if kind in ("bullet", "none", "") else _STYLES.get(kind, "1")
    start = value_of(level, "start")
    return Level(style, value_of(level, "lvlText"), _integer(start) if start else 1)


def _integer(text: str | None) -> int:
    return int(text[:9]) if text and text.lstrip("-").isdigit() else 0
