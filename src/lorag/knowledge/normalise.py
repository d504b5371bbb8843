"""Text as it is indexed: composed, with plain line ends, and without characters that a reader cannot see."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from lorag.knowledge.documents import Flag

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""A class of letters for patterns: Thai and Lao, Burmese, Khmer, kana and Han, which no blanks part into words.

Each of them counts as a word.
"""

_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BLANK = re.compile("[\u00a0\u2007\u202f\u3000]")
# Typography that says nothing about intent: soft hyphens and direction marks.
_QUIET = re.compile("[\u00ad\u200e\u200f]")
# Zero-width characters, bidirectional embeddings, overrides and isolates, invisible operators, fillers, Unicode tags
# and the supplementary variation selectors: each can carry text that only a machine reads.
_UNSEEN = re.compile(
    "[\u115f\u1160\u180b-\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
# The joiners belong to the spelling in Arabic and Indic scripts, and join emoji; elsewhere they hide text.
_JOINING = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
_JOINER = re.compile(f"[\u200c\u200d](?<![{_JOINING}].)")
# All of the above in one class: most text has none of them, and one scan shows that.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\u00ad\u115f\u1160\u180b-\u180e\u2007\u200b-\u200f\u2028-\u202f\u2060-\u206f"
    "\u3000\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e01ef]"
)
_EDGES = re.compile(r"[ \t]+(?=\n|$)")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Clean text, and the number of characters of each kind that were removed."""

    text: str
    flags: Counter[Flag] = field(default_factory=Counter)


def clean_text(text: str) -> Cleaned:
    """Return `text` in NFC, with line feeds only and without control and unseen characters; idempotent."""
    if not _ODD.search(text):
        return Cleaned(unicodedata.normalize("NFC", text))
    flags: Counter[Flag] = Counter()
    text = _LINE_END.sub("\n", text)
    text = _remove(_CONTROL, text, flags, Flag.CONTROL_CHARACTERS)
    text = _QUIET.sub("", _BLANK.sub(" ", text))
    text = _remove(_UNSEEN, text, flags, Flag.HIDDEN_TEXT)
    text = _remove(_JOINER, text, flags, Flag.HIDDEN_TEXT)
    return Cleaned(unicodedata.normalize("NFC", text), flags)


def tidy_block(text: str) -> str:
    """Return `text` without spaces at line ends, blank lines around it, or more than one blank line in a row."""
    if "\n" not in text:
        return text.rstrip(" \t")
    return _BLANK_LINES.sub("\n\n", _EDGES.sub("", text)).strip("\n")


def _remove(pattern: re.Pattern[str], text: str, flags: Counter[Flag], flag: Flag) -> str:
    text, count = pattern.subn("", text)
    if count:
        flags[flag] += count
    return text
