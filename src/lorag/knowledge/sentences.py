"""The ends of sentences, by one rule for chunks, quotes and the support of answers."""

import re
from collections.abc import Iterator

_END = re.compile(
    r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]*_`]{0,4}\s+(?=[^\sa-z])|(?P<spaceless>[\u3002\uff01\uff1f]+\s*(?=\S))"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:St|Dr|Mr|Mrs|Ms|Prof|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|Sen|Rep|Mt|Ft|cf|vs|ca|approx|e\.g|i\.e)\.$"
)
_BEFORE_NUMBER = re.compile(r"(?:^|[\s(\[])(?:Nos?|Figs?|Eqs?|Secs?|Arts?|Vols?|[Cc]h|pp?)\.$")
_LONGEST_SHORT = 12
"""The most characters in front of the end of a sentence that decide whether it is one."""

_INITIALS = re.compile(r"(?:^|[\s(\[.])[A-Z]\.$")
_BEGINNING = re.compile(
    r"(?:The|An?|In|On|At|By|For|From|To|With|It|Its|He|His|She|Her|They|Their|We|You|I|This|That|These|Those|There|"
    r"When|While|After|Before|If|As|But|And|Or|So|However|Since|Although|Because)\b"
)


def sentence_starts(text: str) -> Iterator[int]:
    """Yield the positions behind `.`, `!` or `?` and a blank, or behind their wide forms; not the start of the text.

    No sentence ends before a lower-case letter, behind "St." or "No. 4", and behind "E." in "William E. Simon".
    """
    return (match.end() for match in _END.finditer(text) if match["spaceless"] or _is_end(text, match))


def _is_end(text: str, found: re.Match[str]) -> bool:
    before = text[max(0, found.start() - _LONGEST_SHORT) : found.start()]
    following = text[found.end() : found.end() + 1]
    if _ABBREVIATION.search(before) or (following.isdigit() and _BEFORE_NUMBER.search(before)):
        return False
    # "the U.S. Army", but "in the U.S. The army": the next word decides.
    return not _INITIALS.search(before) or _BEGINNING.match(text, found.end()) is not None
