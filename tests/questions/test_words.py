"""Strangers 18: the rule by which texts say the same: the tables of docs/normalising.md, row by row."""

from pathlib import Path

import pytest

from lorag.answering.generator import Message, Role
from lorag.answering.words import content_words, numbers
from lorag.errors import GateRefused
from lorag.evaluation.answers import contains_answer, exact_match, token_f1
from lorag.questions.facts import find_conflicts
from lorag.questions.questions import Question
from lorag.questions.words import occurrences, states, words
from lorag.retrieval.terms import index_terms, query_terms
from lorag.tuning.leakage import refuse_leakage
from lorag.tuning.pairs import Pair, PairSource

DOCUMENT = Path(__file__).parents[2] / "docs" / "normalising.md"


def rows(heading: str) -> list[tuple[str, str, bool]]:
    table = DOCUMENT.read_text(encoding="utf-8").split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [(one, other, verdict == "yes") for one, other, verdict, _ in cells]


def test_the_tables_are_read() -> None:
    assert len(rows("one | other")) > 25 and len(rows("text | value")) > 10 and len(rows("asked | text")) > 25


@pytest.mark.parametrize(("one", "other", "same"), rows("one | other"))
def test_two_texts_say_the_same(one: str, other: str, same: bool) -> None:
    assert (words(one) == words(other)) is same
    assert exact_match(one, [other]) is exact_match(other, [one]) is same
    assert (token_f1(one, [other]) == 1.0) is same
    asked = [
        Question(id=name, question="What?", answers=(answer,), gold_doc_ids=())
        for name, answer in (("a", one), ("b", other))
    ]
    assert (not find_conflicts(asked)) is same


@pytest.mark.parametrize(("one", "other", "same"), [row for row in rows("one | other") if row[2]])
def test_a_kept_out_question_leaks_in_any_form(one: str, other: str, same: bool) -> None:
    pair = Pair(PairSource.QUESTIONS, (Message(Role.USER, f"Question: what of the {one}?"),), "x")
    with pytest.raises(GateRefused, match="leakage"):
        refuse_leakage([pair], [f"What of the {other}?"], {}, set())


@pytest.mark.parametrize(("text", "value", "stated"), rows("text | value"))
def test_a_text_states_a_value(text: str, value: str, stated: bool) -> None:
    assert states(text, value) is contains_answer(text, [value]) is stated
    places = [text[start:end] for start, end in occurrences(text, value)]
    assert [words(place) for place in places] == [words(value)] * stated, "each place is where it stands"


def test_places_are_those_of_the_text_as_it_was_given() -> None:
    text = "Bei 20 ℃ in den U.S., nicht 20\u00a0℃: cafe\u0301."
    assert [text[start:end] for start, end in occurrences(text, "20 °C")] == ["20 ℃", "20\u00a0℃"]
    assert [text[start:end] for start, end in occurrences(text, "café")] == ["cafe\u0301"]
    assert [text[start:end] for start, end in occurrences(text, "us")] == ["U.S."]
    text = "Of 4.25 % or (4.25) or 4.25% it is."
    assert [text[start:end] for start, end in occurrences(text, "4.25%")] == ["4.25 %", "4.25", "4.25%"]
    assert list(occurrences("北京和北京", "北京")) == [(0, 2), (3, 5)]


def test_questions_are_composed_when_they_are_read() -> None:
    asked = Question(id="a", question="Un cafe\u0301?", answers=("cafe\u0301",), gold_doc_ids=())
    assert (asked.question, asked.answers) == ("Un café?", ("café",))


def test_what_carries_a_sentence_is_compared_by_the_same_rule() -> None:
    assert content_words("The e-mail cost 1,000 at the low-water mark") == {
        "email", "cost", "1000", "low", "water", "mark"
    }  # fmt: skip
    assert numbers("-20 or £45, 5–7 and B-17") == {"-20", "45", "5-7", "17"}
    assert content_words("首都是北京。") == {"首都", "都是", "是北", "北京"}
    assert content_words("5km") == content_words("5 km")


def test_f1_is_by_character_where_words_have_no_blanks() -> None:
    assert token_f1("首都北京", ["北京"]) == pytest.approx(2 * 0.5 * 1 / 1.5)


@pytest.mark.parametrize(("asked", "text", "found"), rows("asked | text"))
def test_strangers_17_and_18_word_search_finds_what_the_table_says(asked: str, text: str, found: bool) -> None:
    assert bool({*query_terms(asked)} & {*index_terms(text)[0]}) is found
