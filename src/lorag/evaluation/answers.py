"""Whether an answer is right: compared with accepted answers after the usual normalisation."""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = {"a", "an", "the"}
_PUNCTUATION = re.compile(rf"(?<!\d)[{re.escape(string.punctuation)}]|[{re.escape(string.punctuation)}](?!\d)|[–—’‘“”]")
"""A point or comma within a number stays: 1.5 is not 15."""


def answer_words(text: str) -> list[str]:
    """Lower case, without punctuation and articles (Rajpurkar et al. 2016, evaluation of SQuAD).

    Other than there, a capital A after another word is a name and stays, so that pier B is no answer for pier A.
    """
    words = _PUNCTUATION.sub(" ", text).split()
    kept = [word for at, word in enumerate(words) if word.casefold() not in _ARTICLES or (word == "A" and at > 0)]
    return [word.casefold() for word in kept or words]


def exact_match(given: str, accepted: Sequence[str]) -> bool:
    """Whether the answer is an accepted one and nothing else."""
    words = answer_words(given)
    return bool(words) and any(words == answer_words(answer) for answer in accepted)


def contains_answer(given: str, accepted: Sequence[str]) -> bool:
    """Whether an accepted answer stands in the answer, word for word."""
    words = answer_words(given)
    wanted = [answer_words(answer) for answer in accepted]
    return any(
        target and words[start : start + len(target)] == target for target in wanted for start in range(len(words))
    )


def token_f1(given: str, accepted: Sequence[str]) -> float:
    """The best overlap in words with an accepted answer, 0..1 (Rajpurkar et al. 2016)."""
    return max((_f1(answer_words(given), answer_words(answer)) for answer in accepted), default=0.0)


def _f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not shared:
        return float(not given and not wanted)
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
