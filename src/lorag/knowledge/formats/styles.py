"""The part of CSS that can hide text: rules of a page's own style sheets, and which of them apply to an element.

Selectors of names, classes, ids and attributes are matched, with descendants and children. Of everything else (other
pseudo-classes, siblings, media queries about the window) it is only known that it may apply.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

PROPERTIES = frozenset(
    "display visibility opacity font-size color background background-color background-image text-indent position"
    " left top clip clip-path vertical-align font animation animation-name".split()
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_COMPOUND = re.compile(
    r"([.#]?[\w-]+|\*)|\[\s*([\w-]+)\s*(?:([~|^$*]?=)\s*[\"']?([^\"'\]]*)[\"']?\s*)?\]|(::?[\w-]+)(?:\([^()]*\))?"
)
_COMBINATORS = re.compile(r"(\s*[>+~]\s*(?![^\[(]*[\])])|\s+(?![^\[(]*[\])]))")
_MOST_LOOKS = 1_000_000
# Rules for a state that a page is not in when it opens, or for text that a page does not hold.
_NEVER = re.compile(
    r"::|:(?:hover|focus|active|visited|target|checked|before|after|first-letter|selection|placeholder)"
)
_NEVER_MEDIA = re.compile(r"@media\s+(?:only\s+)?(?:print|speech|tty|aural)\b(?![^{]*,)")
_NO_RULES = re.compile(r"@(?:-\w+-)?(?:font-face|keyframes|page|property|counter-style|namespace|import|charset)")


@dataclass(frozen=True, slots=True)
class Element:
    """An open element, as a selector sees it: names in lower case."""

    tag: str
    attributes: Mapping[str, str]

    @property
    def classes(self) -> list[str]:
        """The names of its classes, in lower case."""
        return self.attributes.get("class", "").lower().split()


@dataclass(frozen=True, slots=True)
class Declared:
    """A value for a property, how strongly it is declared, and whether it is known to apply."""

    value: str
    rank: tuple[int, int, int]
    sure: bool


@dataclass(frozen=True, slots=True)
class _Compound:
    names: tuple[str, ...]
    attributes: tuple[tuple[str, str, str], ...]
    combinator: str  # what stands before it: empty, blank or >


@dataclass(frozen=True, slots=True)
class _Rule:
    compounds: tuple[_Compound, ...]
    specificity: int
    order: int
    declarations: tuple[tuple[str, str, bool], ...]
    sure: bool


class StyleSheets:
    """The rules of a page's own style sheets, in their order."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[_Rule]] = {}
        self._count = 0
        self._looks = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether so many rules were compared with so many elements that the rest is not looked at."""
        return self._looks > _MOST_LOOKS

    def add(self, css: str) -> None:
        """Add the rules of one `<style>` element."""
        for selectors, body, sure in _rules(_COMMENT.sub("", css), sure=True):
            declarations = tuple(read_declarations(body))
            if not declarations:
                continue
            for selector in selectors.split(","):
                self._add_rule(" ".join(selector.split()), declarations, sure=sure)

    def declared(self, path: Sequence[Element]) -> dict[str, list[Declared]]:
        """Return what the rules declare for the last element of `path`, the open elements from the outside."""
        found: dict[str, list[Declared]] = {}
        if not self._by_name or self.is_exhausted:
            return found
        element = path[-1]
        names = ["*", element.tag, *(f".{name}" for name in element.classes)]
        names += [f"#{element.attributes['id'].lower()}"] if "id" in element.attributes else []
        for name in names:
            rules = self._by_name.get(name, ())
            self._looks += len(rules)
            for rule in rules:
                if _matches(rule.compounds, path):
                    for key, value, important in rule.declarations:
                        rank = (2 * important, rule.specificity, rule.order)
                        found.setdefault(key, []).append(Declared(value, rank, rule.sure))
        return found

    def _add_rule(self, selector: str, declarations: tuple[tuple[str, str, bool], ...], *, sure: bool) -> None:
        if not selector or _NEVER.search(selector):
            return
        self._count += 1
        compounds, known = _read_selector(selector.lower())
        if not compounds:
            return
        ids = sum(name.startswith("#") for compound in compounds for name in compound.names)
        classes = sum(name.startswith(".") for compound in compounds for name in compound.names)
        classes += sum(len(compound.attributes) for compound in compounds)
        tags = sum(name[0] not in "#.*" for compound in compounds for name in compound.names)
        rule = _Rule(compounds, ids * 10_000 + classes * 100 + tags, self._count, declarations, sure and known)
        key = max(compounds[-1].names or ("*",), key=_strength)
        self._by_name.setdefault(key, []).append(rule)


def _strength(name: str) -> int:
    return {"*": 0, ".": 2, "#": 3}.get(name[0], 1)


def read_declarations(style: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the properties that can hide text with their values, in lower case, and whether they are important."""
    for declaration in style.split(";"):
        key, separator, value = declaration.partition(":")
        key = key.strip().lower()
        if separator and key in PROPERTIES:
            value, important, _ = value.lower().partition("!")
            yield key, " ".join(value.split()), bool(important)


def _rules(css: str, *, sure: bool) -> Iterator[tuple[str, str, bool]]:
    """Yield selectors, body and whether they are known to apply; conditions are opened one level."""
    position = 0
    while (opening := css.find("{", position)) >= 0:
        head = css[position:opening].rpartition(";")[2].strip()
        end = _closing(css, opening)
        body = css[opening + 1 : end]
        position = end + 1
        if not head.startswith("@"):
            yield head, body, sure
        elif not _NO_RULES.match(head.lower()) and not _NEVER_MEDIA.match(head.lower()):
            always = re.fullmatch(r"@media\s+(?:all|screen)|@layer.*", head.lower()) is not None
            if "{" in body:
                yield from _rules(body, sure=sure and always)


def _closing(css: str, opening: int) -> int:
    depth = 0
    for match in re.compile("[{}]").finditer(css, opening):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.start()
    return len(css)


def _read_selector(selector: str) -> tuple[tuple[_Compound, ...], bool]:
    """Return the parts of a selector, and whether they say all of it; what is unknown is left out and so may match."""
    compounds: list[_Compound] = []
    known = True
    combinator = ""
    for part in _COMBINATORS.split(selector):
        if not part.strip() or part.strip() in (">", "+", "~"):
            combinator = part.strip() or combinator or " "
            continue
        names: list[str] = []
        attributes: list[tuple[str, str, str]] = []
        position = 0
        for match in _COMPOUND.finditer(part):
            known = known and match.start() == position
            position = match.end()
            if match[1]:
                names.append(match[1])
            elif match[2]:
                attributes.append((match[2], match[3] or "", match[4] or ""))
            elif match[5] != ":root":
                known = False
            else:
                names.append("html")
        known = known and position == len(part)
        if combinator in ("+", "~"):
            known = False
            compounds = []  # of the sibling before it nothing is known any more
        compounds.append(_Compound(tuple(names), tuple(attributes), combinator if compounds else ""))
        combinator = ""
    return tuple(compounds), known


def _matches(compounds: Sequence[_Compound], path: Sequence[Element]) -> bool:
    if not _fits(compounds[-1], path[-1]):
        return False
    place = len(path) - 1
    for number in range(len(compounds) - 2, -1, -1):
        if compounds[number + 1].combinator == ">":
            place -= 1
            if place < 0 or not _fits(compounds[number], path[place]):
                return False
            continue
        place = next((index for index in range(place - 1, -1, -1) if _fits(compounds[number], path[index])), -1)
        if place < 0:
            return False
    return True


def _fits(compound: _Compound, element: Element) -> bool:
    return all(_has_name(name, element) for name in compound.names) and all(
        _has_attribute(element.attributes, *wanted) for wanted in compound.attributes
    )


def _has_name(name: str, element: Element) -> bool:
    if name[0] == ".":
        return name[1:] in element.classes
    if name[0] == "#":
        return element.attributes.get("id", "").lower() == name[1:]
    return name in ("*", element.tag)


def _has_attribute(attributes: Mapping[str, str], name: str, operator: str, wanted: str) -> bool:
    if name not in attributes:
        return False
    value = attributes[name].lower()
    tests: dict[str, Iterable[bool]] = {
        "": [True],
        "=": [value == wanted],
        "~=": [wanted in value.split()],
        "|=": [value == wanted, value.startswith(f"{wanted}-")],
        "^=": [value.startswith(wanted)],
        "$=": [value.endswith(wanted)],
        "*=": [wanted in value],
    }
    return any(tests[operator])
