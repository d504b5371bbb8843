"""Which answers count as right, each row with its reason."""

import pytest

from lorag.evaluation.answers import contains_answer, exact_match, token_f1
from lorag.questions.words import words


@pytest.mark.parametrize(
    ("given", "accepted", "contained", "exact", "why"),
    [
        ("7.25 metres", ["7.25 metres"], True, True, "the same"),
        ("It is 7.25 metres deep.", ["7.25 metres"], True, False, "within a sentence"),
        ("The Night Clerk!", ["night clerk"], True, True, "case, article and punctuation do not count"),
        ("17.25 metres", ["7.25 metres"], False, False, "words, not letters"),
        ("725 metres", ["7.25 metres"], False, False, "a point within a number counts"),
        ("7 metres", ["7.5 metres"], False, False, "part of a number is another number"),
        ("At 06:50.", ["06:50"], True, False, "a colon within a time counts, the full stop does not"),
        ("0650", ["06:50"], False, False, "a time without its colon is another word"),
        ("metres 7.25", ["7.25 metres"], False, False, "in that order"),
        ("7.25 long metres", ["7.25 metres"], False, False, "side by side"),
        ("Pier B", ["Pier A"], False, False, "a capital A that names is no article"),
        ("Pier A", ["Pier A"], True, True, "nor is it lost"),
        ("It is pier A of the harbour.", ["Pier A"], True, False, "within a sentence either"),
        ("A", ["A"], True, True, "all there is stays"),
        ("B", ["A"], False, False, "another letter"),
        ("a boat", ["The boat"], True, True, "articles differ"),
        ("two", ["2", "two"], True, True, "any accepted one will do"),
        ("\u201cKippers\u201d \u2013 and tea", ["kippers and tea"], True, True, "typographic marks do not count"),
        ("STRASSE", ["straße"], True, True, "case is folded, not lowered"),
        ("", ["2"], False, False, "nothing is no answer"),
        ("", ["?"], False, False, "nor where nothing is left of the accepted one"),
        ("anything", ["?"], False, False, "and nothing left is in no answer"),
        ("anything", [], False, False, "nothing is accepted"),
    ],
)
def test_right_and_wrong(given: str, accepted: list[str], contained: bool, exact: bool, why: str) -> None:
    assert contains_answer(given, accepted) is contained, why
    assert exact_match(given, accepted) is exact, why


@pytest.mark.parametrize(
    ("given", "accepted", "expected"),
    [
        ("kippers and tea", ["kippers and tea"], 1.0),
        ("kippers", ["kippers and tea"], 2 * 1 * (1 / 3) / (1 + 1 / 3)),
        ("tea tea tea", ["tea"], 0.5),
        ("coffee", ["kippers and tea"], 0.0),
        ("coffee", ["tea", "coffee"], 1.0),
        ("", ["tea"], 0.0),
        ("tea", [], 0.0),
    ],
)
def test_f1_is_overlap_in_words(given: str, accepted: list[str], expected: float) -> None:
    assert token_f1(given, accepted) == pytest.approx(expected)


def test_words() -> None:
    assert words("The B-17's crew: 1,200 men (in 2.5 h).") == [
        "b",
        "17",
        "s",
        "crew",
        "1200",
        "men",
        "in",
        "2.5",
        "h",
    ]
