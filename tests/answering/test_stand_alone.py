"""A question that refers back is made to stand alone; any other stays as it is."""

from collections.abc import Sequence

import pytest

from lorag.answering.generator import NEVER, Generation, Message, Role, StopRule, TextStream
from lorag.answering.stand_alone import refers_back, stand_alone

BEFORE = (
    Message(Role.USER, "How deep is berth 4?"),
    Message(Role.ASSISTANT, "Berth 4 is 7.25 metres deep."),
)


class Says:
    """A model that says one text, and counts how often it is asked."""

    model_sha256 = engine = "says"

    def __init__(self, text: str) -> None:
        self.text = text
        self.n_asked = 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        self.n_asked += 1
        yield self.text
        return Generation(self.text, 1, 1)

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        return [Generation(self.text, 1, 1) for _ in conversations]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who may use it?", True),
        ("And who may use berth 4?", True),
        ("What about berth 5?", True),
        ("Why?", True),
        ("Who told them about that?", True),
        ("Where are these kept?", True),
        ("How do I get there?", True),
        ("What is Kubernetes?", False),
        ("Is there a limit on the number of berths?", False),
        ("Which pump is the one that Ida repairs?", False),
        ("Who runs the night shift?", False),
    ],
)
def test_it_knows_what_refers_back(question: str, expected: bool) -> None:
    assert refers_back(question) is expected


def test_a_question_that_refers_to_nothing_asks_no_model() -> None:
    model = Says("anything?")
    assert stand_alone("Who runs the night shift?", BEFORE, model) == "Who runs the night shift?"
    assert stand_alone("Who may use it?", (), model) == "Who may use it?"
    assert model.n_asked == 0


@pytest.mark.parametrize(
    ("written", "usable"),
    [
        ("Who may use berth 4?", True),
        ('"Who may use berth 4?"\nThe last question.', True),
        ("Who may use it?", False),
        ("Who may use the crane?", False),
        ("Berth 4 is deep.", False),
        ("How deep is berth 4?", False),
        ("", False),
        ("Who may use berth 4 " + "berth " * 100 + "?", False),
    ],
)
def test_words_that_nobody_said_are_not_searched_for(written: str, usable: bool) -> None:
    expected = "Who may use berth 4?" if usable else "How deep is berth 4? Who may use it?"
    assert stand_alone("Who may use it?", BEFORE, Says(written)) == expected


@pytest.mark.parametrize("question", ["And before May?", "What was it last week?", "And before that?", "Since when?"])
def test_a_time_in_the_past_goes_behind_the_question_before(question: str) -> None:
    model = Says("How deep is berth 4?")
    assert stand_alone(question, BEFORE, model) == f"How deep is berth 4? {question}"
    assert model.n_asked == 0, "its words would lose the time"


def test_without_questions_about_the_past_a_time_is_rewritten_like_anything_else() -> None:
    model = Says("How deep was berth 4 before May?")
    stand_alone("And before May?", BEFORE, model, reads_past=False)
    assert model.n_asked == 1
