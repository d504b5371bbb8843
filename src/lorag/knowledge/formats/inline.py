"""The text inside one block, with what must not grow together kept apart."""

from collections.abc import Callable, Mapping

from lorag.knowledge.formats.raised import lowered, raised

BREAK = "\x00"
"""A line break that counts, among white space that does not."""

_PERMALINK_SIGNS = frozenset("¶ # § 🔗 ⚓ ⚓︎ ↩ ↩︎ ⤴ ↑".split())
_PERMALINK_CLASSES = frozenset("headerlink permalink hash-link header-anchor heading-anchor anchor-link".split())
_Write = Callable[[str, str], str]


class InlineText:
    """Words as they arrive; raised, lowered and struck text is rewritten where its element ends."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._open: list[tuple[str, list[str], _Write]] = []

    def add(self, text: str) -> None:
        """Add text."""
        self._words.append(text)

    def start(self, tag: str, attributes: Mapping[str, str], align: str) -> None:
        """Handle a start tag; `align` is the vertical alignment of its style."""
        write = _WRITERS.get(tag) or _WRITERS.get(f"vertical-align:{align}")
        if tag == "a" and _may_be_permalink(attributes):
            write = _without_sign
        if write is not None:
            self._open.append((tag, self._words, write))
            self._words = []

    def end(self, tag: str) -> None:
        """Handle an end tag."""
        if any(opened == tag for opened, _, _ in self._open):
            while self._close() != tag:
                pass

    def take(self, *, preformatted: bool) -> str:
        """Return the text so far and forget it; white space is collapsed unless it is `preformatted`."""
        still_open = self._open[:]
        while self._open:
            self._close()
        text = "".join(self._words)
        # An element that a block divides goes on in the next one.
        self._words = []
        for tag, _, write in still_open:
            self._open.append((tag, self._words, write))
            self._words = []
        if preformatted:
            return text.replace(BREAK, "\n").strip("\n")
        return "\n".join(" ".join(line.split()) for line in text.split(BREAK)).strip()

    def _close(self) -> str:
        tag, before, write = self._open.pop()
        text = "".join(self._words)
        self._words = before
        last = next((part for part in reversed(before) if part), "")
        self._words.append(write(text, last))
        return tag


def _may_be_permalink(attributes: Mapping[str, str]) -> bool:
    return attributes.get("href", "").startswith("#") or not _PERMALINK_CLASSES.isdisjoint(
        attributes.get("class", "").lower().split()
    )


def _without_sign(text: str, before: str) -> str:
    return "" if text.strip() in _PERMALINK_SIGNS else text


def _struck(text: str, before: str) -> str:
    return f"~~{text.strip()}~~" if text.strip() else text


def _quoted(text: str, before: str) -> str:
    return f"“{text}”"


def _reading(text: str, before: str) -> str:
    return f"({text})" if text.strip() else text


_WRITERS: dict[str, _Write] = {
    "sup": raised,
    "sub": lowered,
    "vertical-align:super": raised,
    "vertical-align:sub": lowered,
    "del": _struck,
    "s": _struck,
    "strike": _struck,
    "q": _quoted,
    "rt": _reading,
}
