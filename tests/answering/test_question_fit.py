import pytest

from lorag.answering.question_fit import answers, covers, fits_kind, is_nearest, is_whole, keeps_together


@pytest.mark.parametrize(
    ("question", "claim", "fits"),
    [
        ("When was it opened?", "It was opened in 1874.", True),
        ("When does the galley open?", "At noon.", True),
        ("When was it opened?", "Ilse Brandt opened it.", False),
        ("In what year did the mill burn?", "It burned in 1901.", True),
        ("How many berths are there?", "There are four.", True),
        ("How many berths are there?", "Both are full.", True),
        ("How many berths are there?", "The berths are deep.", False),
        ("How many square miles were cleared?", "It was 18% higher.", False),
        ("What percentage was cleared?", "It was 18%.", True),
        ("Who designed it?", "Ilse Brandt.", True),
        ("Who designed it?", "In 1874.", False),
        ("What does the mill grind?", "1874.", True),
    ],
)
def test_the_value_of_a_claim_is_of_the_kind_that_is_asked_for(question: str, claim: str, fits: bool) -> None:
    assert fits_kind(claim, question) == fits


@pytest.mark.parametrize(
    ("question", "sentence", "above", "is_about_it"),
    [
        ("When was Montreal captured?", "Nova Scotia had been captured in 1713.", "", False),
        ("When was Montreal captured?", "It was captured in 1760.", "Montreal", True),
        ("What happened in 1939?", "In 1954 the tomb was returned.", "", False),
        ("What is another term for rotors?", "Rotors are called discs.", "", True),
        ("How many balls did Norman intercept?", "Norman gave them three plays.", "", False),
    ],
)
def test_a_sentence_is_about_what_is_asked(question: str, sentence: str, above: str, is_about_it: bool) -> None:
    assert covers(question, sentence, above) == is_about_it


AMAZON = (
    "In a typical year the Amazon absorbs 1.5 gigatons of carbon; during 2005 instead 5 gigatons were released and in "
    "2010 8 gigatons were released."
)
ANTHEM = "Grammy winner Lady Gaga sang the anthem, while Marlee Matlin gave the translation into sign language."


@pytest.mark.parametrize(
    ("question", "claim", "sentence", "nearest"),
    [
        ("How much carbon does the Amazon absorb in a typical year?", "1.5 gigatons.", AMAZON, True),
        ("How much carbon does the Amazon absorb in a typical year?", "8 gigatons.", AMAZON, False),
        ("Who gave the translation into sign language?", "Marlee Matlin.", ANTHEM, True),
        ("Who gave the translation into sign language?", "Lady Gaga.", ANTHEM, False),
        ("Who did the sign language of the anthem?", "Lady Gaga.", ANTHEM, False),
        ("What year did Tesla die?", "Tesla died in 1943.", "Tesla died on 7 January 1943.", True),
        ("Who designed the harbour?", "Ilse Brandt.", "It was designed by Ilse Brandt.", True),
    ],
)
def test_another_value_about_as_near_to_the_question_contradicts(
    question: str, claim: str, sentence: str, nearest: bool
) -> None:
    assert is_nearest(claim, question, sentence) == nearest


@pytest.mark.parametrize(
    ("claim", "sentence", "whole"),
    [
        ("2015.", "Its chair resigned in February 2015.", False),
        ("In February 2015.", "Its chair resigned in February 2015.", True),
        ("It resigned Newton.", "Its captain Cam Newton resigned.", False),
        ("Cam Newton.", "Its captain Cam Newton resigned.", True),
        ("Cam Newton of Rye.", "Its captain Cam Newton resigned before Josh Norman Miller did.", True),
        ("The chair.", "Its chair resigned in February 2015.", True),
    ],
)
def test_a_part_of_a_value_is_no_answer(claim: str, sentence: str, whole: bool) -> None:
    assert is_whole(claim, "Who resigned?", sentence) == whole


@pytest.mark.parametrize(
    ("claim", "sentence", "together"),
    [
        ("The European Council has a veto.", "The European Parliament and the Council have a veto.", False),
        ("The European Parliament has a veto.", "The European Parliament and the Council have a veto.", True),
        ("It runs the University of Chicago.", "It runs the University of Chicago Laboratory Schools.", False),
        ("They are shear tensors.", "They are shear terms, off the diagonal elements of the tensors.", False),
        ("They are shear terms.", "They are shear terms, off the diagonal elements of the tensors.", True),
    ],
)
def test_a_name_is_not_put_together_from_parts_of_others(claim: str, sentence: str, together: bool) -> None:
    assert keeps_together(claim, "What is it?", sentence) == together


def test_a_claim_answers_only_if_all_rules_agree() -> None:
    sentence = "It was opened in 1874."
    assert answers("In 1874.", "When was the harbour opened?", sentence, "Harbour of Veldmark")
    assert not answers("In 1874.", "Who opened the harbour?", sentence, "Harbour of Veldmark")
    assert not answers("In 1874.", "When was the mill burned?", sentence, "Harbour of Veldmark")
