import pytest

from lorag.knowledge.documents import Chunk
from lorag.questions.facts import Fact
from lorag.questions.questions import Question
from lorag.tuning.swaps import find_swap, shape_of


def _fact(name: str, question: str, *answers: str) -> Fact:
    chunk = Chunk(f"c-{name}", f"{name}.md", "", f"It says {answers[0]}.")
    asked = Question(id=name, question=question, answers=answers, gold_doc_ids=(f"{name}.md",))
    return Fact(name, asked, {f"{name}.md": "v"}, (chunk,), literal=True)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("17 months", "54 months", True),
        ("17 months", "17 metres", False),  # a number keeps its unit
        ("9 October", "12 October", True),
        ("06:25", "20:10", True),
        ("£45", "£187", True),
        ("KH-7714-B", "FT-3308-X", True),
        ("KH-7714-B", "DG-14", False),
        ("Fenella Storrick", "Wenna Thrale", True),
        ("Fenella Storrick", "orange anchor", False),
        ("Tarn & Fettle", "Wenna Thrale", False),
    ],
)
def test_only_values_of_like_shape_stand_in(one: str, other: str, alike: bool) -> None:
    assert (shape_of(one) == shape_of(other)) is alike


def test_a_person_stands_for_a_person_before_a_firm_does() -> None:
    asked = _fact("a", "Who is the clerk?", "Fenella Storrick")
    facts = [
        asked,
        _fact("b", "Which firm dives?", "Blackrigg Subsea"),
        _fact("c", "Who is the pilot?", "Casimir Holt"),
    ]
    for seed in range(5):
        swap = find_swap(asked, facts, "The clerk is Fenella Storrick.", seed=seed)
        assert swap is not None and swap.value == "Casimir Holt" and swap.documents == {"c.md": "v"}


def test_a_number_without_a_like_unit_takes_figures_of_its_kind() -> None:
    asked = _fact("a", "How far?", "14.7 kilometres")
    swap = find_swap(asked, [asked, _fact("b", "What limit?", "17.2 rpm"), _fact("c", "How many?", "9")], "", seed=1)
    assert swap is not None and swap.value == "17.2 kilometres"


def test_no_value_is_taken_that_the_context_or_the_answers_hold() -> None:
    asked = _fact("a", "How long?", "17 months", "18 months")
    facts = [asked, _fact("b", "How long?", "18 months"), _fact("c", "How long?", "54 months")]
    assert find_swap(asked, facts, "After 17 months, not 54 months.", seed=1) is None
