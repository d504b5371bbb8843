"""The terms by which word search finds a text: the words of the one rule of normalising, and their other spellings."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from lorag.questions.words import ARTICLES, FUNCTION_WORDS, Word, find_words

_PIECE = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_HYPHEN = re.compile("[-\u2010]")
_ACCENT = re.compile("[\u0300-\u036f]+")
_HANGUL = re.compile("[\uac00-\ud7a3]{2,}")
_MOST_CAPITALS = 5
_FEW_WORDS = 2
_MOST_PIECES = 3
_KNOWN_TOKENS = 100_000
_PUNCTUATION = ".,;:!?()[]\"'"


def index_terms(text: str) -> tuple[list[str], int]:
    """Return the terms of a text, one for each time that it has it, and the number of its words.

    A word has several terms if it is also searched for in another spelling: "low-water" as "low", "water" and
    "lowwater", "écluse" as "ecluse", "£45" as "45". In scripts without blanks between words, each character and each
    pair of neighbours is a term. An abbreviation that is also a function word, such as IT or WHO, has a term in
    capitals. A word of Korean is also found by pairs of its syllables.
    """
    found: list[str] = []
    n_words = 0
    for token in text.split():
        terms, n_more = _indexed(token)
        found += terms
        n_words += n_more
    return found, n_words


def query_terms(text: str) -> tuple[str, ...]:
    """Return the distinct terms that a question is searched by, without function words unless it has nothing else.

    A function word in capitals counts as the abbreviation that it is, unless the whole question, of more than
    two words, is in capitals.
    """
    tokens = text.split()
    shouts = text.upper() == text and sum(token.isascii() and token.isalpha() for token in tokens) > _FEW_WORDS
    telling = [term for number, token in enumerate(tokens) for term in _asked(token, shouts=shouts, first=not number)]
    return tuple(dict.fromkeys(telling or (term for token in tokens for term in _indexed(token)[0])))


# The words of a text do not depend on what is beyond a blank, and most tokens come many times.
@lru_cache(_KNOWN_TOKENS)
def _indexed(token: str) -> tuple[tuple[str, ...], int]:
    plain = token.strip(_PUNCTUATION)
    if plain.isascii() and plain.isalpha():
        # Nearly every token: the rule comes to the same, and takes longer.
        own = plain.lower()
        abbreviation = _abbreviation(plain) if own in FUNCTION_WORDS else None
        if own in ARTICLES and not abbreviation:
            return (), 0
        return (_stem(own), *([abbreviation] if abbreviation else [])), 1
    found: list[str] = []
    n_words = 0
    for run in _runs(token):
        if run[0].is_character:
            found += (word.text for word in run)
            found += _pairs(run)
        elif run[0].text in ARTICLES:
            continue
        else:
            found += _spellings(run[0], token)
            if run[0].text in FUNCTION_WORDS and (abbreviation := _abbreviation(_written(run[0], token))):
                found.append(abbreviation)
        n_words += len(run)
    return tuple(found), n_words


def _asked(token: str, *, shouts: bool, first: bool) -> Iterator[str]:
    for run in _runs(token):
        own = run[0].text
        if run[0].is_character:
            yield from _pairs(run) or [own]
        elif own in FUNCTION_WORDS:
            abbreviation = _abbreviation(_written(run[0], token))
            if abbreviation and not shouts and not (first and abbreviation == "A"):
                yield abbreviation
        elif own[0].isalpha() and any(letter.isdigit() for letter in own):
            # Who asks for r003 wants no other r; the 5 and the km of 5km may be apart in a text.
            yield own
        else:
            yield from _spellings(run[0], token)


def _runs(token: str) -> Iterator[Sequence[Word]]:
    """Yield the words one by one, but neighbouring characters of scripts without blanks together."""
    run: list[Word] = []
    for word in find_words(token):
        if run and not (word.is_character and run[-1].is_character and word.start == run[-1].end):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _pairs(run: Sequence[Word]) -> list[str]:
    return [one.text + other.text for one, other in pairwise(run)]


def _spellings(word: Word, token: str) -> Sequence[str]:
    if _HANGUL.fullmatch(word.text):
        # The particles of Korean are part of the word before them.
        return [word.text, *(one + other for one, other in pairwise(word.text))]
    forms = [word.text, *_parts(word, token)]
    forms += [plain for form in forms if (plain := _without_accents(form)) != form]
    return [*dict.fromkeys(_stem(form) for form in forms)]


def _parts(word: Word, token: str) -> list[str]:
    if any(letter.isdigit() for letter in word.text):
        pieces = _PIECE.findall(word.text)
        # More than a date has are those of a hash, which nobody looks for in pieces.
        return pieces if len(pieces) <= _MOST_PIECES else []
    parts = _HYPHEN.split(unicodedata.normalize("NFKC", _written(word, token)).casefold())
    return [part for part in parts if len(part) > 1] if len(parts) > 1 else []


def _without_accents(form: str) -> str:
    return form if form.isascii() else unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", form)))


def _written(word: Word, token: str) -> str:
    return token[word.start : word.end]


def _abbreviation(written: str) -> str | None:
    """Return a function word that is written as an abbreviation or a name, such as IT, U.S. or A; None for others."""
    raw = written.replace(".", "")
    return raw if raw.isupper() and raw != "I" and len(raw) <= _MOST_CAPITALS else None


def _stem(form: str) -> str:
    return form[:-1] if len(form) > 3 and form.endswith("s") and not form.endswith("ss") else form
