"""A follow-up that only names another thing, such as "and berth 5?", put into the question before it."""

import re
from collections.abc import Sequence

_LEAD = re.compile(
    r"^\s*(?:(?:and|or|but|so|also|then)\s+)?(?:(?:what|how)\s+about\s+|the\s+same\s+for\s+)?(?P<rest>\S.*?)[\s?]*$",
    re.IGNORECASE,
)
_ASKS = frozenset(
    "is are was were be been do does did has have had can could will would shall should may might must who whom whose "
    "which what when where why how if because that it its they them their this these those he she".split()
)
_PREPOSITIONS = frozenset("of for in on at to from by with during before after under over about between".split())
_DETERMINERS = frozenset("the a an its your our their".split())
_QUALITIES = frozenset("default maximum minimum current usual normal typical average total first last".split())
_MOST_WORDS = 6
_THING = re.compile(r"`[^`]+`|\w*\d\w*|\w+[_./:-]\w[\w./:-]*|[A-Z]\w+|\w*[a-z][A-Z]\w*")


def put_into(asked: str, follow_up: str) -> str | None:
    """Return the question `asked` with what the follow-up names in place of what it named itself.

    None if the follow-up is a question of its own, or if it is not clear what it replaces: after a preposition that
    both have, a name that shares a word with it, the only name or number, or what a question such as "what is the
    default ..." ends with.
    """
    found = _LEAD.match(follow_up)
    new = found["rest"].split() if found and found["rest"] != follow_up.strip(" ?") else []
    if not 0 < len(new) <= _MOST_WORDS or any(_bare(word) in _ASKS for word in new):
        return None
    old = asked.strip().rstrip("?").split()
    place = _place_of(new, old)
    if place is None or old[place[0] : place[1]] == new:
        return None
    start, end, words = *place, new
    if _bare(new[0]) in _DETERMINERS and start and _bare(old[start - 1]) in _DETERMINERS:
        words = new[1:]
    return " ".join([*old[:start], *words, *old[end:]]) + "?"


def _place_of(new: Sequence[str], old: Sequence[str]) -> tuple[int, int] | None:
    """Return start and end of the words of the old question that the new ones replace."""
    first = _bare(new[0])
    if first in _PREPOSITIONS:
        places = [at for at, word in enumerate(old) if _bare(word) == first]
        return (places[0], _phrase_end(old, places[0] + 1)) if len(places) == 1 else None
    names = [_bare(word) for word in new if _bare(word) not in _DETERMINERS]
    return _alike(names, old) or _only_thing(new, old) or _end_of(old)


def _alike(names: Sequence[str], old: Sequence[str]) -> tuple[int, int] | None:
    """Return as many words as there are names, around the only word that both have: berth 4 for berth 5."""
    shared = [(at, names.index(_bare(word))) for at, word in enumerate(old) if _bare(word) in names]
    if len(shared) != 1:
        return None
    start = shared[0][0] - shared[0][1]
    inner = [_bare(word) for word in old[max(0, start) : start + len(names)]]
    is_name = not any(word in _ASKS or word in _PREPOSITIONS or word in _DETERMINERS for word in inner)
    return (start, start + len(names)) if start >= 0 and len(inner) == len(names) > 1 and is_name else None


def _only_thing(new: Sequence[str], old: Sequence[str]) -> tuple[int, int] | None:
    """Return the only name, identifier or number of the old question, if the new words are one."""
    if not all(_THING.fullmatch(word.strip(",.?")) for word in new):
        return None
    # The first word has a capital in any case.
    things = [at for at, word in enumerate(old) if at and _THING.fullmatch(word.strip(",.?"))]
    runs = things and things[-1] - things[0] == len(things) - 1
    return (things[0], things[-1] + 1) if runs else None


def _end_of(old: Sequence[str]) -> tuple[int, int] | None:
    """Return what the old question ends with, behind its last small word, if it only asks what that is."""
    bare = [_bare(word) for word in old]
    if bare[:1] not in (["what"], ["which"]) or len(bare) < 3 or bare[1] not in ("is", "are", "was", "were"):
        return None
    small = [at for at, word in enumerate(bare) if word in _DETERMINERS | _PREPOSITIONS | _QUALITIES | _ASKS]
    return (small[-1] + 1, len(old)) if small[-1] + 1 < len(old) else None


def _phrase_end(old: Sequence[str], start: int) -> int:
    ends = [at for at in range(start, len(old)) if _bare(old[at]) in _PREPOSITIONS | _ASKS]
    return ends[0] if ends else len(old)


def _bare(word: str) -> str:
    return word.strip(",.;:!?\"'()").casefold()
