"""The comparison of an answer with accepted answers, by the words of both; see docs/normalising.md."""

from collections import Counter
from collections.abc import Sequence

from lorag.questions.words import states, words


def exact_match(given: str, accepted: Sequence[str]) -> bool:
    """Whether the answer is an accepted one and nothing else."""
    found = words(given)
    return bool(found) and any(found == words(answer) for answer in accepted)


def contains_answer(given: str, accepted: Sequence[str]) -> bool:
    """Whether the answer contains an accepted answer, word for word."""
    return any(states(given, answer) for answer in accepted)


def token_f1(given: str, accepted: Sequence[str]) -> float:
    """Return the best overlap in words with an accepted answer, 0..1 (Rajpurkar et al. 2016)."""
    return max((_f1(words(given), words(answer)) for answer in accepted), default=0.0)


def _f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not shared:
        return float(not given and not wanted)
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
