from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.answering.citations import quotable_spans
from lorag.answering.sentence_choice import choose_quote, rank_sentences
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
    assert [each.text for each in choose_quote(rank_sentences("Who designed it?", [HARBOUR], embed_alike))] == [
        "It was designed by Ilse Brandt."
    ]
    assert [each.text for each in choose_quote(rank_sentences("What is this?", [HARBOUR], embed_alike))] == [
        "It was opened in 1874.",
        "It was designed by Ilse Brandt.",
    ]


def test_nothing_is_quoted_where_no_sentence_fits() -> None:
    def far(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.float32([[1.0, 0.0], *[[0.3, 0.954]] * (len(texts) - 1)])

    assert choose_quote(rank_sentences("Which shoes are in fashion?", [HARBOUR], far)) == []
    assert choose_quote(rank_sentences("Who designed the harbour?", [HARBOUR], far)) != []


def test_a_quote_is_the_text_of_its_place() -> None:
    for each in rank_sentences("server", [HARBOUR, MILL, SCALER, CODE], embed_alike):
        assert each.text == each.chunk.text[each.start : each.end] == each.text.strip()


def test_without_text_nothing_is_quoted() -> None:
    assert choose_quote(rank_sentences("Who?", [], embed_alike)) == []


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
    chosen = choose_quote(rank_sentences("How do you pause scaling?", [page], embed_alike))
    assert [each.text for each in chosen] == ["You pause scaling by this annotation:", "```\npaused: true\n```"]


def test_the_same_words_are_not_quoted_twice() -> None:
    twin = Chunk("c9", "twin.md", "Harbour of Veldmark", HARBOUR.text)
    texts = [each.text for each in choose_quote(rank_sentences("What is this?", [twin, HARBOUR], embed_alike))]
    assert len(texts) == len(set(texts)) == 2
