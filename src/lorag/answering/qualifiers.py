"""Words that tell which text answers a question: a default, an action or its opposite, a reason, a definition."""

import re

_KINDS = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for words in (
        r"(?<!non-)defaults?|defaulted|by default|otherwise|if (?:not set|unset|omitted|none is (?:given|set))",
        r"min(?:imum|imal)?|at least|least|lowest|smallest|lower (?:limit|bound)",
        r"max(?:imum|imal)?|at most|most|highest|largest|up to|(?:upper )?limit|no more than|upper bound",
    )
)
"""The kinds of value that a question may ask for; each pattern has all the words that say so."""

_OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        (r"pause[sd]?|pausing", r"un-?pause[sd]?|un-?pausing|resume[sd]?|resuming"),
        (
            r"(?:enabl|activat)(?:e[sd]?|ing)|turn(?:ed|ing)? on",
            r"(?:disabl|deactivat)(?:e[sd]?|ing)|turn(?:ed|ing)? off",
        ),
        (r"install(?:s|ed|ing|ation)?", r"uninstall(?:s|ed|ing|ation)?"),
        (r"start(?:s|ed|ing)?", r"stop(?:s|ped|ping)?"),
        (r"add(?:s|ed|ing)?", r"(?:remov|delet)(?:e[sd]?|ing)"),
        (r"upgrad(?:e[sd]?|ing)", r"downgrad(?:e[sd]?|ing)"),
        (r"increas(?:e[sd]?|ing)", r"(?:decreas|reduc)(?:e[sd]?|ing)"),
        (r"encrypt(?:s|ed|ing|ion)?", r"decrypt(?:s|ed|ing|ion)?"),
        (
            r"allow(?:s|ed|ing)?|permit(?:s|ted|ting)?",
            r"den(?:y|ies|ied|ying)|forbid(?:s|den|ding)?|block(?:s|ed|ing)?",
        ),
        (r"show(?:s|n|ed|ing)?", r"hid(?:e|es|den|ing)"),
        (r"lock(?:s|ed|ing)?", r"unlock(?:s|ed|ing)?"),
        (r"subscrib(?:e[sd]?|ing)", r"unsubscrib(?:e[sd]?|ing)"),
        (r"open(?:s|ed|ing)?", r"clos(?:e[sd]?|ing)"),
        (r"scal(?:e[sd]?|ing) (?:up|out)", r"scal(?:e[sd]?|ing) (?:down|in)"),
    )
)
"""Pairs of actions that undo one another."""

_PURPOSE = re.compile(r"\W*(?:in order )?to \w[^,:.]*", re.IGNORECASE)

_POINTER = re.compile(
    r"\W*(?:(?:please )?(?:see|refer to|visit|consult|read|check(?: out)?|follow|have a look at|take a look at)\b"
    r"|(?:for|to (?:get|find|see|learn|read)) (?:more|further|additional|other|the full|full|a full|all)?\s*"
    r"(?:details?|information|examples?|help|background|context)?\b.{0,80}?"
    r"\b(?:see|refer|visit|consult|check(?: out)?|read|documentation|here)\b"
    r"|(?:more|further|additional) (?:details?|information|examples?) (?:can be found|(?:is|are) (?:available|in)|on"
    r"|about)\b"
    r"|(?:(?:some |an? )?(?:good )?(?:information|instructions?|examples?)|details?)\b.{0,80}?\bcan be found\b"
    r"|(?:more on|this is (?:described|explained|documented) in)\b"
    r"|(?:you (?:can|will|may) )?(?:learn|read|find out|find) more\b)",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_POINTER = 240

_ASKS_WHAT_IS = re.compile(
    r"\s*(?:what(?: is|'s|\u2019s| are)|define|explain|describe)\s+(?:an?\s+|the\s+)?(?P<term>[^?]+?)\s*\?*\s*",
    re.IGNORECASE,
)
_LONGEST_TERM = 4
_NARROWED = re.compile(r"\b(?:of|for|in|when|if|by|to|on|between)\b", re.IGNORECASE)
_DEFINES = (
    r"\W*(?:an?\s+|the\s+)?{term}\W*(?:\([^)]*\)\s*)?"
    r"(?:is|are|means?|refers? to|stands? for|denotes?|represents?|describes?|defines?|lets?|allows?|enables?"
    r"|provides?)\b"
)

_ASKS_WHY = re.compile(r"\s*why\b|\breason\b", re.IGNORECASE)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|to avoid|reason|therefore|as a result|otherwise|ensures?|prevents?"
    r"|allows?|needed)\b",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"(?:^|[\s,(])(?:us|set|pass|call|run|add|creat|install|remov|configur|specif|defin|provid|overrid|wrap|import|enabl"
    r"|disabl)(?:e|y|ting|ing)?\b",
    re.IGNORECASE,
)


def has_qualifiers(text: str, question: str) -> bool:
    """Whether the text has each kind of value that the question asks for: a default, a minimum or a maximum."""
    return all(kind.search(text) for kind in _KINDS if kind.search(question))


def is_opposite(text: str, question: str) -> bool:
    """Whether the text is about undoing what the question asks for, or the other way round, and not about both.

    Of a text that begins with a purpose, such as "To unpause it, remove ...", the purpose counts.
    """
    purpose = _PURPOSE.match(text)
    return any(
        _has_only(wanted, other, question)
        and (_has_only(other, wanted, text) or (purpose is not None and _has_only(other, wanted, purpose[0])))
        for pair in _OPPOSITES
        for wanted, other in (pair, pair[::-1])
    )


def is_pointer(text: str) -> bool:
    """Whether the text only says where to read more."""
    return len(text) <= _LONGEST_POINTER and _POINTER.match(text) is not None


def term_of(question: str) -> str | None:
    """Return the term whose meaning the question asks for, as in "What is a trigger?"; None if it asks for more."""
    found = _ASKS_WHAT_IS.fullmatch(question)
    if found is None or len(found["term"].split()) > _LONGEST_TERM:
        return None
    return None if _NARROWED.search(found["term"]) else found["term"]


def defines(text: str, term: str) -> bool:
    """Whether the text begins by saying what the term is."""
    return re.match(_DEFINES.format(term=re.escape(term)), text, re.IGNORECASE) is not None


def gives_reason(text: str, question: str) -> bool:
    """Whether the question asks why, and the text has a word that introduces a reason or a purpose."""
    return _ASKS_WHY.search(question) is not None and _REASON.search(text) is not None


def tells_to_do(text: str) -> bool:
    """Whether the text has a verb of an instruction, such as set, pass or run."""
    return _ACTION.search(text) is not None


def _has_only(wanted: re.Pattern[str], other: re.Pattern[str], text: str) -> bool:
    return wanted.search(text) is not None and other.search(text) is None
