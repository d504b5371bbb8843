from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.answering.citations import quotable_spans
from lorag.answering.sentence_choice import certainty, choose_quote, rank_sentences
from lorag.answering.sentence_features import EmbedTexts
from lorag.knowledge.documents import Chunk
from tests.alike import embed_alike

HARBOUR = Chunk(
    "c1",
    "harbour.md",
    "Harbour of Veldmark",
    "It was opened in 1874. It was designed by Ilse Brandt. It has four berths.",
)
MILL = Chunk("c2", "mill.md", "Mill", "The mill of Orsund grinds rye and barley.")
SCALER = Chunk(
    "c3",
    "scaler.md",
    "Scaler",
    "- `queueLength` - Target value for scaling. (Default: `5`, Optional)\n"
    "- `activationQueueLength` - Target value for activating the scaler. (Default: `0`, Optional)",
)
CODE = Chunk(
    "c4", "start.md", "Start", "Start it like this:\n\n```sh\nserver start\n\nserver wait\n```\n\nThen log in."
)


def quote_of(question: str, chunks: Sequence[Chunk], embed: EmbedTexts = embed_alike) -> list[str]:
    return [each.text for each in choose_quote(question, rank_sentences(question, chunks, embed))]


def best(question: str, *chunks: Chunk) -> str:
    return rank_sentences(question, chunks, embed_alike)[0].text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("When was the harbour opened?", "It was opened in 1874."),
        ("Who designed it?", "It was designed by Ilse Brandt."),
        ("What does the mill grind?", "The mill of Orsund grinds rye and barley."),
        (
            "What is the default of `activationQueueLength` of the scaler?",
            "- `activationQueueLength` - Target value for activating the scaler. (Default: `0`, Optional)",
        ),
        ("How does the server start?", "```sh\nserver start\n\nserver wait\n```"),
    ],
)
def test_the_sentence_with_the_rare_words_of_the_question_is_the_best(question: str, sentence: str) -> None:
    assert best(question, HARBOUR, MILL, SCALER, CODE) == sentence


def test_the_cosine_decides_between_sentences_with_the_same_words() -> None:
    def close_to_berths(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.float32([[1.0, 0.0] if at == 0 or "berths" in text else [0.0, 1.0] for at, text in enumerate(texts)])

    (first, *_) = rank_sentences("Where do ships lie?", [HARBOUR], close_to_berths)
    assert first.text == "It has four berths."


def test_the_better_chunk_wins_a_tie() -> None:
    twin = Chunk("c9", "twin.md", "Harbour of Veldmark", HARBOUR.text)
    (first, *_) = rank_sentences("Who designed it?", [twin, HARBOUR], embed_alike)
    assert first.chunk.id == "c9"


def test_a_second_sentence_is_quoted_only_if_it_fits_nearly_as_well() -> None:
    assert quote_of("Who designed it?", [HARBOUR]) == ["It was designed by Ilse Brandt."]
    assert quote_of("What is this?", [HARBOUR]) == [
        "It was opened in 1874.",
        "It was designed by Ilse Brandt.",
    ]


def test_a_sentence_that_points_back_comes_with_the_one_before_it() -> None:
    text = "Ilse Brandt was born in Rye. She designed the harbour. The mill is old. Nobody owns it."
    chunk = Chunk("c8", "brandt.md", "", text)
    assert quote_of("What was designed by her?", [chunk]) == [
        "Ilse Brandt was born in Rye.",
        "She designed the harbour.",
    ]
    assert quote_of("Is the mill old?", [chunk]) == ["The mill is old."]


ENTRIES = Chunk(
    "c10",
    "memory.md",
    "Memory",
    "Memory\n\nshared_mem (integer): Sets the memory for buffers. The default is 128 megabytes. It is set at start.\n\n"
    "work_mem (integer): Sets the memory of a query. The default is 4 megabytes.\n\nThe default is a guess.",
)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("shared_mem", ["shared_mem (integer): Sets the memory for buffers.", "The default is 128 megabytes."]),
        ("work_mem", ["work_mem (integer): Sets the memory of a query.", "The default is 4 megabytes."]),
    ],
)
def test_a_sentence_that_goes_on_the_entry_of_a_setting_is_about_it(name: str, quoted: list[str]) -> None:
    assert quote_of(f"What is the default of {name}?", [ENTRIES]) == quoted


def test_a_label_of_words_of_the_question_is_not_quoted() -> None:
    chunk = Chunk("c11", "truncate.md", "See Also", "TRUNCATE\n\nDELETE\n\nTRUNCATE is faster than DELETE.\n\n42")
    ranked = rank_sentences("What is the difference between TRUNCATE and DELETE?", [chunk], embed_alike)
    assert {each.text for each in ranked} == {"TRUNCATE is faster than DELETE.", "42"}


def test_a_heading_that_comes_again_as_text_is_not_quoted() -> None:
    assert "Memory" not in [each.text for each in rank_sentences("What is memory?", [ENTRIES], embed_alike)]


def test_nothing_is_quoted_where_no_sentence_fits() -> None:
    def far(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.float32([[1.0, 0.0], *[[0.3, 0.954]] * (len(texts) - 1)])

    assert quote_of("Which shoes are in fashion?", [HARBOUR], far) == []
    assert quote_of("Who designed the harbour?", [HARBOUR], far) != []


GIT = Chunk(
    "c7",
    "push.md",
    "git push",
    "git push --force pushes to a branch that others pushed to. Setting gc.auto to 0 disables it. The default is 50.",
)


def test_an_option_that_the_documents_do_not_have_is_not_answered_by_another_one() -> None:
    assert quote_of("What does git push --force do?", [GIT])
    assert quote_of("What does git push --quantum do?", [GIT]) == []


@pytest.mark.parametrize(
    ("question", "lacking"),
    [
        ("How do I push a branch?", 0.0),
        ("How do I push a neural branch?", 1 / 3),
        ("Hello, a colleague wonders: please explain how to push a neural branch.", 1 / 3),
        ("Which salary?", 1.0),
        ("Can you please explain?", 0.0),
    ],
)
def test_words_that_are_nowhere_in_what_was_found_make_a_quote_less_certain(question: str, lacking: float) -> None:
    ranked = rank_sentences(question, [GIT], embed_alike)
    assert ranked[0].score - certainty(question, ranked) == pytest.approx(3 * lacking)


def test_words_that_address_whoever_answers_take_no_weight_from_those_of_the_question() -> None:
    def same(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 1), np.float32)

    (plain, *_), (framed, *_) = (
        rank_sentences(question, [HARBOUR], same)
        for question in ("Who designed it?", "Hello, a colleague asks: please tell me who designed it.")
    )
    assert (framed.text, framed.score) == (plain.text, pytest.approx(plain.score))


def test_a_sentence_with_the_dotted_name_of_the_question_goes_before_one_without() -> None:
    assert quote_of("What is the default of gc.auto?", [GIT]) == ["Setting gc.auto to 0 disables it."]
    # Others say Node where the question says Node.js.
    assert quote_of("What is the default of push.js?", [GIT])


def test_a_sentence_that_asks_is_neither_quoted_nor_support() -> None:
    asks = Chunk("c5", "faq.md", "Mill", 'Does the mill grind maize? Its stones grind rye. People ask: "Is it old?"')
    ranked = rank_sentences("Which grain does the mill grind?", [asks], embed_alike)
    assert [each.text for each in ranked] == ["Its stones grind rye."]
    assert rank_sentences("Is it old?", [Chunk("c6", "faq.md", "", "Is it old?")], embed_alike) == []


def test_a_quote_is_the_text_of_its_place() -> None:
    for each in rank_sentences("server", [HARBOUR, MILL, SCALER, CODE], embed_alike):
        assert each.text == each.chunk.text[each.start : each.end] == each.text.strip()


def test_without_text_nothing_is_quoted() -> None:
    assert quote_of("Who?", []) == []


@pytest.mark.parametrize("text", [CODE.text, "```\na\n\nb", "a\n```\nb\n```", "", "One. Two."])
def test_a_block_of_code_is_one_span_and_no_letter_is_lost(text: str) -> None:
    spans = list(quotable_spans(text))
    assert all(left[1] <= right[0] for left, right in zip(spans, spans[1:], strict=False))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())
    assert sum("```" in text[start:end] for start, end in spans) == (1 if "```" in text else 0)


def test_a_sentence_that_announces_something_is_quoted_with_it() -> None:
    page = Chunk(
        "c8", "pause.md", "Pausing", "You pause scaling by this annotation:\n\n```\npaused: true\n```\n\nDone."
    )
    assert quote_of("What does pause scaling?", [page]) == [
        "You pause scaling by this annotation:",
        "```\npaused: true\n```",
    ]


def test_the_same_words_are_not_quoted_twice() -> None:
    twin = Chunk("c9", "twin.md", "Harbour of Veldmark", HARBOUR.text)
    texts = quote_of("What is this?", [twin, HARBOUR])
    assert len(texts) == len(set(texts)) == 2


SPEC = [
    Chunk(
        "s1",
        "spec.md",
        "Spec > initialCooldownPeriod",
        "initialCooldownPeriod: 120 # Optional. Default: 0 seconds\n\nThe delay before the cooldownPeriod starts.",
    ),
    Chunk(
        "s2",
        "spec.md",
        "Spec > cooldownPeriod",
        "cooldownPeriod: 300 # Optional. Default: 300 seconds\n\nThe time to wait before the scaler returns to 0.",
    ),
]


def test_the_section_of_the_identifier_is_quoted_and_not_that_of_its_namesake() -> None:
    (first, *_) = quote_of("What is the default of `cooldownPeriod`?", SPEC)
    assert first == "cooldownPeriod: 300 # Optional. Default: 300 seconds"
    spec = Chunk("s3", "spec.md", "Spec", "cooldownPeriod: 300 # Optional. Default: 300 seconds")
    assert quote_of("What is the default value of cooldownPeriod?", [SPEC[0], spec]) == [spec.text]
    assert quote_of("What does `maxCooldownPeriod` do?", SPEC) == []


def test_prose_is_quoted_before_code_unless_the_question_asks_how() -> None:
    page = Chunk("p", "p.md", "Pausing", "paused: true\n\nPaused means that nothing is scaled.")
    assert quote_of("What does paused mean?", [page])[0] == "Paused means that nothing is scaled."
    assert quote_of("How do I get it paused?", [page]) == ["paused: true"]


def test_all_steps_of_an_instruction_are_one_quote() -> None:
    page = Chunk("h", "h.md", "Helm > Install", "It is simple:\n\n1. Add the repository\n2. Install the chart\n\nDone.")
    assert quote_of("How do I install the chart with Helm?", [page]) == [
        "It is simple:\n\n1. Add the repository\n2. Install the chart"
    ]


def test_a_value_of_the_front_matter_is_quoted_with_its_name() -> None:
    facts = {"maintainer": "Community", "availability": "v2.0+", "type": "page"}
    page = Chunk("f", "cpu.md", "CPU", "This scaler reads metrics. It maintains nothing.", facts)
    twin = Chunk("g", "cpu.md", "CPU > Example", "An example.", facts)
    ranked = rank_sentences("Who maintains the CPU scaler?", [page, twin], embed_alike)
    assert [each.text for each in ranked if each.field] == ["maintainer: Community"]
    assert ranked[0].field == "maintainer"
    assert quote_of("Since which version is the CPU scaler available?", [page])[0] == "availability: v2.0+"
    assert not any(each.field for each in rank_sentences("What type of page is it?", [page], embed_alike))


def test_a_how_to_is_not_answered_by_how_to_undo_it() -> None:
    page = Chunk(
        "p",
        "pause.md",
        "Pause autoscaling",
        "To unpause autoscaling again, remove the annotation.\n\nTo pause autoscaling, add the annotation.",
    )
    assert quote_of("How do I pause autoscaling?", [page])[0] == "To pause autoscaling, add the annotation."
    assert quote_of("How do I unpause autoscaling?", [page])[0].startswith("To unpause autoscaling again")


def test_a_sentence_that_says_where_to_read_more_is_no_definition() -> None:
    page = Chunk(
        "t",
        "trigger.md",
        "Trigger",
        "For more details on the trigger, please refer to the trigger page.\n\nA trigger is what starts scaling.",
    )
    assert quote_of("What is a trigger?", [page])[0] == "A trigger is what starts scaling."


def test_the_default_is_asked_for_and_not_an_example() -> None:
    page = Chunk(
        "d",
        "wait.md",
        "Waiting period",
        "The waiting period may be set to a value such as 120 seconds.\n\n"
        "By default, the waiting period is 300 seconds.",
    )
    assert best("What is the value of the waiting period by default?", page).endswith("300 seconds.")
