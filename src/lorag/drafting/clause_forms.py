"""Questions about a plain main clause with a quantity, a date or a version: the clause is turned around."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lorag.drafting.candidates import Candidate
from lorag.drafting.proposal import Proposal, capital, is_name
from lorag.drafting.values import ValueKind

_DETERMINERS = frozenset("the a an all each every most any no some one its their our your".split())
_AUXILIARY = r"is|are|was|were|can|must|may|should|will|has|have|had"
_CLAUSE = re.compile(
    rf"^(?P<lead>(?:By default|On \w+s|In \w+|At \w+|After [\w ]+|Since [\w ]+), )?"
    rf"(?P<subject>[^,;:()]+?) (?P<aux>{_AUXILIARY}) (?P<middle>[^;:()]*?)$"
)
_REGULAR = (
    "open close start end begin cost take last run use support require need expire arrive leave serve hold keep weigh "
    "measure contain include expose provide listen return wait stop accept meet sail depart check poll scale retry "
    "receive get pay store save delete archive remove rotate renew"
).split()
_THIRD_PERSON = {
    (
        verb + "es"
        if verb.endswith(("s", "sh", "ch", "x", "z"))
        else verb[:-1] + "ies"
        if verb[-2:] in ("py", "ly", "ry")
        else verb + "s"
    ): verb
    for verb in _REGULAR
}
_VERB_CLAUSE = re.compile(
    rf"^(?P<lead>(?:By default|On \w+s|In \w+), )?(?P<subject>[^,;:()]+?) "
    rf"(?P<verb>{'|'.join(_THIRD_PERSON)}|{'|'.join(_REGULAR)})(?P<middle>(?: [^;:()]*?)?)$"
)
_PREPOSITION = re.compile(
    r"(?:^|\s)(?P<words>(?:(?:for )?(?:at least|at most|up to|more than|less than|no more than|about|around)|"
    r"after|within|for|at|on|in|by|every|until|since|from|before|to|over|under|only|below|above|than|of|with|version)"
    r"(?: (?:a|an|the) (?:maximum|minimum|total) of)?)$"
)
_CURRENCIES = "$\u20ac\u00a3"
_NOT_TURNED = ("than", "of", "with", "version")
_AMOUNTS = ("at least", "at most", "up to", "more than", "less than", "no more than", "about", "around", "only", "over")
_BEFORE_YEARS = ("in", "since", "until", "from", "before", "after")
_TOLERANCE = re.compile(r"\u00b1 ?$|^ ?\u00b1")
_PRODUCT = re.compile(
    r"(?:^|\s)(?P<preposition>in|on|since|from|with|until|of|to) "
    r"(?P<name>(?:[A-Z]\w*\s?){0,2}version|[A-Z]\w+|version)$"
)
_QUANTITY = re.compile(r"(?P<number>[$\u20ac\u00a3]?[\d.,]+)[ -]?(?P<unit>\D*)$")
_ADJECTIVE = re.compile(r"^ (deep|long|wide|high|tall|old|thick|heavy|away)\b")
_COUNTED = re.compile(r"^ (?P<noun>(?:[a-z]+ )?(?:[a-z]{3,}s|people|men|women|children))\b")
_UNKNOWN_UNIT = re.compile(r"^ ?(?!(?:by|in|for|at|on|per|during|when|and|or|unless|from|until|after|before)\b)[\w/%]")
_OF = re.compile(r"^ of (?P<what>(?!the\b|a\b|an\b|each\b|this\b|our\b|their\b)[a-z]+)\b")
_TAIL_END = re.compile(r"[,;:.(]| to \d| between\b|\s(?:and|or|but|because|so that|which|unless|where|instead)\b")
_BAD_SUBJECT = re.compile(
    r"^(?:there|he|she|we|i|while|as|for|in|on|at|by|with|since|because|although|unless|once|both|such|here|not|now|then|"
    r"from|of|please|name|number|value)\b|\b(?:that|which|who|if|when|where|and|or|but|this|these|those|its|their|his|her|"
    r"it|they|before|after|while|you|we)\b|\bto (?-i:[a-z])|\.",
    re.I,
)
_COPULA = ("is", "are", "was", "were")
_DO = {"has": "does", "have": "do", "had": "did"}
_MOST_SUBJECT, _MOST_QUESTION = 10, 26
_UNITS = {
    "ms": "milliseconds", "secs": "seconds", "sec": "seconds", "mins": "minutes", "min": "minutes", "mm": "millimetres",
    "cm": "centimetres", "km": "kilometres", "kg": "kilograms", "KB": "kilobytes", "MB": "megabytes",
    "GB": "gigabytes", "TB": "terabytes", "kW": "kilowatts", "MW": "megawatts", "%": "percent",
}  # fmt: skip


def forms_of_clause(candidate: Candidate, ordinary: Collection[str]) -> Iterator[Proposal]:
    """Turn around a plain main clause with a quantity, a date or a version behind its verb."""
    text = re.sub(r"^\s*(?:[-*+\u2022]|\(?\d{1,3}[.)])\s+", "", candidate.sentence)
    value, shift = candidate.value, len(candidate.sentence) - len(text)
    if value.kind not in (ValueKind.QUANTITY, ValueKind.DATE, ValueKind.VERSION) or value.start < shift:
        return
    before, behind = text[: value.start - shift], text[value.end - shift :]
    asked = _wh_phrase(value.kind, value.text, before.rstrip(), behind)
    clause = asked and (_CLAUSE.match(asked.before + " ") or _VERB_CLAUSE.match(asked.before.rstrip()))
    if not asked or not clause:
        return
    parts = clause.groupdict()
    subject = _lowered(parts["subject"], ordinary)
    if _BAD_SUBJECT.search(parts["subject"]) or len(subject.split()) > _MOST_SUBJECT:
        return
    lead = parts["lead"] or ""
    tail = asked.tail + (f" {lead[0].lower()}{lead[1:].rstrip(', ')}" if lead else "")
    middle = " ".join((parts.get("middle") or "").split())
    if re.search(r"[,]|\b(?:and|or|but|if|when|that|which|it|this|these)\b", middle):
        return
    verb = parts.get("verb") or parts["aux"]
    if asked.is_counted and verb in _COPULA and not middle:
        # `Typical speeds are 3600 revolutions a minute`: what is counted is not the subject.
        return
    if verb in _DO and asked.has_preposition and not re.match(r"(?:been|to|\w+ed)\b", middle):
        # `The state has a law enacted in 1975`: the preposition belongs to the object.
        return
    if verb in _DO and not re.match(r"(?:been|to|\w+ed)\b", middle):
        turned, straight = f"{_DO[verb]} {subject} have {middle}", f"{subject} {verb} {middle}"
    elif "aux" in parts:
        turned, straight = f"{verb} {subject} {middle}", f"{subject} {verb} {middle}"
    else:
        base = _THIRD_PERSON.get(verb)
        # A verb without an ending needs a subject in the plural; after others it is a noun or part of something else.
        if base is None and not subject.endswith("s"):
            return
        turned = f"{'does' if base else 'do'} {subject} {base or verb} {middle}"
        straight = f"{subject} {verb} {middle}"
    said = [
        f"{asked.wh} {turned}{tail}?",
        f"Do you know {asked.wh.lower() if not is_name(asked.wh.split()[0]) else asked.wh} {straight}{tail}?",
        f"{capital(straight)} {asked.wh[0].lower()}{asked.wh[1:]}{tail}?",
        f"Can you tell me {asked.wh[0].lower()}{asked.wh[1:]} {straight}{tail}?",
        f"I would like to know: {asked.wh[0].lower()}{asked.wh[1:]} {turned}{tail}?",
    ]
    clean = [" ".join(each.split()).replace(" ?", "?") for each in said]
    if len(clean[0].split()) <= _MOST_QUESTION:
        yield Proposal(clean[0], tuple(clean[1:]))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The words that ask for a value, and what stands before and behind those of the sentence that they replace.

    `is_counted` means that they count things which have no unit, and `has_preposition` that a preposition leads them.
    """

    wh: str
    before: str
    tail: str
    is_counted: bool = False
    has_preposition: bool = False


def _wh_phrase(kind: ValueKind, value: str, before: str, behind: str) -> _Asked | None:
    """Return the words that ask for a value between `before` and `behind`, with the preposition that leads it."""
    if kind is ValueKind.VERSION:
        return _ask_for_version(before, behind)
    preposition = _PREPOSITION.search(before)
    words = preposition["words"].strip() if preposition else ""
    rest = before[: preposition.start()] if preposition else before
    if kind is ValueKind.DATE:
        asked = _ask_for_date(value, words)
        return _Asked(asked, rest, _tail(behind), has_preposition=True) if asked else None
    if adjective := _ADJECTIVE.match(behind):
        return _Asked(f"How {adjective[1]}", before, _tail(behind[adjective.end() :]))
    quantity = _QUANTITY.match(value)
    if quantity is None or words in _NOT_TURNED or _TOLERANCE.search(before) or _TOLERANCE.match(behind):
        return None
    unit = quantity["unit"].strip()
    is_counted = not unit and value[0] not in _CURRENCIES
    if is_counted and (noun := _COUNTED.match(behind)):
        unit, behind = noun["noun"], behind[noun.end() :]
    elif is_counted and re.fullmatch(r"(?:19|20)\d\d", value) and words in _BEFORE_YEARS:
        unit = "year"
    elif is_counted and (words not in ("to", "at") or _UNKNOWN_UNIT.match(behind)):
        return None
    if unit and unit != "year" and (of := _OF.match(behind)):
        unit, behind = f"{_plural(unit)} of {of['what']}", behind[of.end() :]
    how = _how_much(quantity["number"], unit, is_year=is_counted and unit == "year")
    wh = "How often" if words == "every" else capital(f"{words} {how}".strip())
    return _Asked(wh, rest, _tail(behind), is_counted, bool(words) and words not in _AMOUNTS)


def _ask_for_version(before: str, behind: str) -> _Asked | None:
    product = _PRODUCT.search(before)
    if product is None:
        return None
    name = product["name"].replace("version", "").strip()
    wh = f"{product['preposition']} which version{' of ' + name if name else ''}"
    return _Asked(capital(wh), before[: product.start()], _tail(behind), has_preposition=True)


def _ask_for_date(value: str, words: str) -> str | None:
    if not words:
        return None
    if re.match(r"\d{1,2}[:.]\d\d", value):
        return capital(f"{words} what time")
    has_day = re.search(r"\b\d{1,2}\b", value)
    return capital(f"{words} which {'date' if has_day else 'month'}")


def _how_much(number: str, unit: str, *, is_year: bool) -> str:
    if is_year:
        return "which year"
    if number[0] in _CURRENCIES or unit in ("euros", "dollars", "pounds"):
        return "how much"
    if not unit:
        return "what value"
    many = _plural(unit)
    return "what percentage" if many == "percent" else f"how many {many}"


def _plural(unit: str) -> str:
    is_plural = (
        unit.endswith("s") or " of " in unit or unit in ("people", "men", "women", "children", "percent", "feet")
    )
    return _UNITS.get(unit, unit if is_plural else unit + "s")


def _tail(behind: str) -> str:
    end = _TAIL_END.search(behind)
    tail = behind[: end.start()] if end else behind
    return tail.rstrip(" \"'\u201d")


def _lowered(subject: str, ordinary: Collection[str]) -> str:
    first, _, rest = subject.partition(" ")
    is_word = first.lower() in _DETERMINERS or first.lower() in ordinary
    # A capital behind it makes it a part of a name, such as `Shore Street`.
    names = rest[:1].isupper() and first.lower() not in _DETERMINERS
    return f"{first.lower()} {rest}".strip() if is_word and not names and not is_name(first) else subject
