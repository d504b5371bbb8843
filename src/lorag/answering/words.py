"""The words that carry what a sentence says."""

import re
import unicodedata

_WORD = re.compile(r"\d+(?:[.,:/\u2013-]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?")

_FUNCTION_WORDS = frozenset(
    "a an the and or but nor of in on at to for from by with as than into onto over under about between during is are "
    "was were be been being am do does did has have had having will would can could shall should may might must it its "
    "this that these those there here he she they them his her their we you your i me my our us who whom whose which "
    "what when where why how not no yes so if then also only just very more most such some any each every all both "
    "one's because while until after before s t answer text passage context according question".split()
)


def content_words(text: str) -> frozenset[str]:
    """Numbers and words without function words, lower case, plural endings cut; times and dates stay in one piece."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(_stem(word) for word in _WORD.findall(folded) if word not in _FUNCTION_WORDS)


def numbers(text: str) -> frozenset[str]:
    """Those of the content words that are numbers."""
    return frozenset(word for word in content_words(text) if word[0].isdigit())


def _stem(word: str) -> str:
    if word[0].isdigit():
        return word.replace("\u2013", "-")
    word = re.sub(r"['\u2019]s?$", "", re.sub(r"['\u2019]s$", "", word))
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
