"""The checks of a question and its options, from a command or from Python, before anything is loaded."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lorag.errors import ParamsError
from lorag.strategies import REQUESTS, Requested

if TYPE_CHECKING:
    from lorag.retrieval.index.store import Filter


def strategy_named(name: str) -> Requested:
    """Return the strategy of that name, or the request to choose one; raise ParamsError if there is none."""
    named = {each.value: each for each in REQUESTS}
    if name not in named:
        raise ParamsError(f"no strategy {name!r}", where="strategy", do=f"choose one of {', '.join(named)}")
    return named[name]


def refuse_bad_text(text: str, what: str) -> None:
    """Raise ParamsError if there is no text, or if it has a byte that is not UTF-8."""
    if not text.strip():
        raise ParamsError(f"the {what} is empty", where=what, do="give it some words")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParamsError(
            f"the {what} is not UTF-8 at character {error.start + 1}",
            where=what,
            do="write it in UTF-8; `iconv -f latin1 -t utf-8` converts what another program wrote",
        ) from error


def is_unicode(text: str) -> bool:
    """Return whether every character can be stored; bytes of an argument that are not UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def filter_on(documents: Iterable[str] | None, metadata: Iterable[tuple[str, str]] | None) -> "Filter":
    """Return the filter on these documents and metadata values; None or nothing means no restriction.

    Raises ParamsError for a value that is not UTF-8.
    """
    documents, metadata = tuple(documents or ()), tuple(metadata or ())
    if not all(map(is_unicode, (*documents, *(part for pair in metadata for part in pair)))):
        raise ParamsError("a filter is not UTF-8", where="--where", do="write it in a UTF-8 terminal")
    # The index takes half a second to import.
    from lorag.retrieval.index.store import Filter

    return Filter(documents, metadata)
