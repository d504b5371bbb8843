import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lorag.answering.ending import ANSWER_ENDING, StableText, finish_text
from lorag.answering.generator import LanguageModel, Message, Role, drain
from lorag.answering.sentence_features import EmbedTexts
from lorag.answering.strategies import assemble_answer, make_prompt
from lorag.integrations.models.text_writer import TextWriter
from lorag.params import AnsweringParams, GenerationParams
from lorag.questions.words import normalise
from lorag.strategies import Strategy

CODE = "Run:\n```sh\nstart a\nstart a\nstart a\nText: 1\n```"
CASES = [
    # what the model writes, whether the limit of tokens cut it, what is shown
    ("Paris.", False, "Paris."),
    ("Paris.\nQuestion: And of Spain?\nAnswer: Madrid", True, "Paris."),
    ("Paris.\n\nText:\nThe Seine is a river", True, "Paris."),
    ("Paris. Question: And of Spain?", False, "Paris."),
    ("Paris.\n**Answer:** Paris", False, "Paris."),
    ("Answer: Paris.", False, "Paris."),
    ("The answer to this question is: 1830", False, "1830"),
    ("**The answer is:** 1830.", False, "1830."),
    ("The answer is on page 4.", False, "The answer is on page 4."),
    ("Question: What is it?\nAnswer: Paris.", False, "Paris."),
    ("Question: What is it?", False, ""),
    ("A", False, "A"),
    ("Answer", False, "Answer"),
    ("A question: who pays?", False, "A question: who pays?"),
    ("It is five. It is big and red. It is five. It is", True, "It is five. It is big and red."),
    ("It is 5.\nIt is 5.\nIt is 5.", False, "It is 5."),
    ("It is 5.\nIt is 5.", False, "It is 5."),
    ("Yes. Yes, it is open.", False, "Yes. Yes, it is open."),
    ("- None\n- None\n- Two", False, "- None\n- None\n- Two"),
    ("No. No. No. No. No", True, "No. No."),
    ("the harbour of the harbour of the harbour of the", True, "the harbour of"),
    ("It rains. Very very very very very", True, "It rains."),
    ("it may be that that is so", False, "it may be that that is so"),
    ("Set `0 * * * *` to run it every hour.", False, "Set `0 * * * *` to run it every hour."),
    ("He is here. And she wa", True, "He is here."),
    ("He is here. And she was", False, "He is here. And she was"),
    ("He is he", True, "He is"),
    ("2, 3, 5, 12", True, "2, 3, 5"),
    ("1874", True, "1874"),
    ("It is 5.5 m long. It weighs 4", True, "It is 5.5 m long."),
    ("1. Open the valve.\n2. Close the do", True, "1. Open the valve."),
    (
        "Run:\n```sh\nstart a\nstart a\nstart a\nText: 1\n```",
        False,
        "Run:\n```sh\nstart a\nstart a\nstart a\nText: 1\n```",
    ),
    ("Run:\n```sh\nstart a\nstart b --fo", True, "Run:\n```sh\nstart a\n```"),
    ("Run:\n```sh\nsta", True, "Run:"),
    ("Run:\n```sh\nstart a\n```\nThen wait. And th", True, "Run:\n```sh\nstart a\n```\nThen wait."),
    ("東京です。京都では", True, "東京です。"),
    ("", False, ""),
]


def write(text: str, piece_length: int) -> str:
    """Return what is left of a text that is written under the rule."""
    writer = TextWriter(ANSWER_ENDING)
    shown = ""
    for at in range(0, len(text), piece_length):
        writer.add(text[at : at + piece_length])
        shown += writer.take()
        assert writer.text.startswith(shown), "nothing that was passed on is taken back"
    return writer.text


@pytest.mark.parametrize("piece_length", [1, 3, 7])
@pytest.mark.parametrize(("text", "cut_off", "expected"), CASES)
def test_an_answer_ends_where_it_ends(text: str, cut_off: bool, expected: str, piece_length: int) -> None:
    assert finish_text(write(text, piece_length), cut_off=cut_off) == expected


@pytest.mark.parametrize("piece_length", [1, 3, 1000])
@pytest.mark.parametrize(("text", "cut_off", "expected"), CASES)
def test_streamed_text_is_the_finished_text(text: str, cut_off: bool, expected: str, piece_length: int) -> None:
    shown: list[str] = []
    stable = StableText(shown.append)
    written = write(text, piece_length)
    for at in range(0, len(written), piece_length):
        stable.feed(written[at : at + piece_length])
        assert expected.startswith("".join(shown))
    stable.finish(cut_off=cut_off)
    assert "".join(shown) == expected


def test_words_of_the_first_sentence_are_shown_as_they_come_and_later_sentences_when_they_are_whole() -> None:
    shown: list[str] = []
    stable = StableText(shown.append)
    for piece in ("It was", " opened, the", " pier, in 18", "74. It was de", "epened. And"):
        stable.feed(piece)
    assert shown == ["It", " was opened", ", the pier, in", " 1874.", " It was deepened."]


@settings(max_examples=500, deadline=None)
@example(["end.", "end.", "end.", "end.", "Yes."], 3, False)
@given(
    st.lists(
        st.sampled_from(
            ["a", "b", "it", "is", "5,", "no;", "end.", "Yes.", "\n", "```", "Answer:", "The answer is:", "- x", "?"]
        )
    ),
    st.integers(1, 9),
    st.booleans(),
)
def test_nothing_that_was_shown_is_taken_back(words: list[str], piece_length: int, cut_off: bool) -> None:
    shown: list[str] = []
    stable = StableText(shown.append)
    written = write(" ".join(words), piece_length)
    for at in range(0, len(written), piece_length):
        stable.feed(written[at : at + piece_length])
    stable.finish(cut_off=cut_off)
    assert "".join(shown) == finish_text(written, cut_off=cut_off)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The battery shed > Yorick Haldane is its keeper.", "Yorick Haldane is its keeper."),
        ("The battery shed > Yorick Haldane\nHe is its keeper.", "He is its keeper."),
        ("The battery shed > Yorick Haldane: its keeper", "its keeper"),
        ("The battery shed > Yorick Haldane", "Yorick Haldane"),
        ("Ask in The battery shed > Yorick Haldane.", "Ask in Yorick Haldane."),
        ("Berths\nThere are four.", "There are four."),
        ("Berths are free.", "Berths are free."),
        ("5 > 4", "5 > 4"),
    ],
)
def test_heading_paths_are_no_part_of_an_answer(text: str, expected: str) -> None:
    contexts = ["The battery shed > Yorick Haldane", "Berths"]
    assert finish_text(text, cut_off=False, contexts=contexts) == expected


def test_the_real_model_stops_where_it_would_repeat_itself(model: LanguageModel, generation: GenerationParams) -> None:
    asked = [Message(Role.SYSTEM, "You answer questions briefly."), Message(Role.USER, "Write a poem about a harbour")]
    free = drain(model.stream(asked, max_new_tokens=96))
    ended = drain(model.stream(asked, max_new_tokens=96, stop=ANSWER_ENDING))
    assert ended.generated_tokens < free.generated_tokens
    assert free.text.startswith(ended.text)
    lines = finish_text(ended.text, cut_off=False).splitlines()
    assert len(lines) > 1
    assert len({normalise(line) for line in lines}) == len(lines)


def test_streamed_and_batched_answers_end_alike(
    model: LanguageModel, generation: GenerationParams, embed: EmbedTexts
) -> None:
    params = AnsweringParams(context_chunks=2, context_sentences=None, min_support=0.5)
    prompt = make_prompt("Why is the sky blue?", Strategy.BASE, [], model, params, generation)
    streamed = drain(model.stream(prompt.messages, max_new_tokens=48, stop=ANSWER_ENDING))
    (batched,) = model.generate_batch([prompt.messages], max_new_tokens=48, stop=ANSWER_ENDING)
    assert streamed.text == batched.text
    limits = generation.model_copy(update={"max_new_tokens": 48})
    answer = assemble_answer(prompt, batched, {}, params, limits, embed)
    assert answer.text.endswith("."), "half a sentence is not shown"
