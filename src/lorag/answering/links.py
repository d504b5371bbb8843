"""The filter for links that a model wrote: a link stays only if a source contains exactly the same one."""

import re
from collections.abc import Callable, Iterable

_URL = re.compile(
    r"(?:(?<![a-z0-9+.-])[a-z0-9+.-]++://|\b(?:javascript|vbscript|data|mailto):|\bwww\.)[^\s<>\"'`)\]]+", re.I
)
_IMAGE = re.compile(r"!\[([^\[\]]*)\](?:\([^)\n]*\)|\[[^\[\]]*\])")
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\n]*)\)")
_TAG = re.compile(
    r"</?(?:a|img|script|iframe|object|embed|svg|video|audio|source|link|form|style|meta|base|input|button)\b[^<>]*>?",
    re.I,
)
_OPENERS = re.compile(r"!?\[[^\[\]]*(?:\](?:\([^)\n]*|\[[^\[\]]*)?)?$|<(?:/?[a-z][^<>]*)?$", re.I)
_WHOLE = re.compile(f"{_IMAGE.pattern}|{_LINK.pattern}|{_TAG.pattern}", re.I)
_MAX_HELD = 2_000


def links_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the addresses in the texts, without the punctuation behind them."""
    return frozenset(_trim(url) for text in texts for url in _URL.findall(text))


def strip_links(text: str, allowed: frozenset[str]) -> str:
    """Remove images, HTML that loads something, and addresses that are not `allowed`; their words stay."""
    # The rest after one pass may be a new link: `<im<img>g src=...>`.
    while (stripped := _strip_once(text, allowed)) != text:
        text = stripped
    return text


def _strip_once(text: str, allowed: frozenset[str]) -> str:
    text = _TAG.sub("", _IMAGE.sub(r"\1", text))
    text = _LINK.sub(lambda link: f"{link[1]} ({link[2]})" if link[2].strip() in allowed else link[1], text)
    return _URL.sub(lambda url: url[0] if _trim(url[0]) in allowed else "[link removed]", text)


class LinkFilter:
    """A filter for text that comes in pieces: its joined output is `strip_links` of the released parts.

    It holds back text that may still become a link; `finish` releases the rest.
    """

    def __init__(self, allowed: frozenset[str], emit: Callable[[str], None]) -> None:
        self._allowed = allowed
        self._emit = emit
        self._held = ""

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._held += piece
        opener = _OPENERS.search(self._held)
        limit = opener.start() if opener and len(self._held) - opener.start() < _MAX_HELD else len(self._held)
        # An address ends at a blank, but not at a blank inside a link or tag.
        blanks = _WHOLE.sub(lambda link: "x" * len(link[0]), self._held)
        end = max(blanks.rfind(" ", 0, limit), blanks.rfind("\n", 0, limit)) + 1
        if end:
            self._release(end)

    def finish(self) -> None:
        """Release all that is left."""
        self._release(len(self._held))

    def _release(self, end: int) -> None:
        clean = strip_links(self._held[:end], self._allowed)
        self._held = self._held[end:]
        if clean:
            self._emit(clean)


def _trim(url: str) -> str:
    return url.rstrip(".,;:!?*_")
