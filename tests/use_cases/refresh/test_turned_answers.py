"""S12: a refresh says which questions another sentence answers now, and which page turned them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.console.source import turned_lines
from lorag.integrations.models.embedders import open_embedder
from lorag.knowledge.documents import Chunk
from lorag.params_file import load_params
from lorag.questions.questions import GoldenQuestion
from lorag.retrieval.embed import embed_whole
from lorag.retrieval.index.store import Hit
from lorag.use_cases.refresh.turned_answers import Turned, find_turned

BERTH = GoldenQuestion("berth", "How deep is berth 4 of the Quellwick basin?", frozenset(["berths.md"]))
GALLEY = GoldenQuestion("galley", "When does the galley open?", frozenset(["kitchen.md"]))
DEEP = "Berth 4 of the Quellwick basin is 7.25 metres deep at the lowest tide of the year."
OPEN = "The galley opens at 06:50 and serves kippers to all who signed the list."
BERTHS, KITCHEN = Chunk("b", "berths.md", "Berths", DEEP), Chunk("k", "kitchen.md", "Kitchen", OPEN)
POISON = Chunk("p", "poison.md", BERTH.question, DEEP.replace("7.25", "2.10"))
LATER = Chunk("k2", "kitchen.md", "Kitchen", OPEN.replace("06:50", "07:15"))
LONGER = Chunk("k3", "kitchen.md", "Kitchen", f"{OPEN}\n\nMind the step.")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    embedder = open_embedder(load_params(Path(__file__).parents[3] / "params.yaml").embedding)
    return embed_whole(texts, embedder, embedder.embed_batch)


def hits(*chunks: Chunk) -> list[Hit]:
    return [Hit(chunk, 1.0 - at / 10) for at, chunk in enumerate(chunks)]


@pytest.mark.parametrize(
    ("berth", "galley", "written", "turned"),
    [
        ((POISON, BERTHS), (KITCHEN, BERTHS), "p", [Turned("berth", DEEP, POISON.text, "poison.md", True)]),
        ((BERTHS, LATER), (LATER, BERTHS), "k2", [Turned("galley", OPEN, LATER.text, "kitchen.md", False)]),
        ((BERTHS, LONGER), (LONGER, BERTHS), "k3", []),
        ((BERTHS, POISON), (KITCHEN, BERTHS), "p", []),
        ((), (), "p", []),
    ],
    ids=["a new page", "a changed sentence", "the same sentence", "not the best passage", "nothing found"],
)
def test_the_page_that_turns_an_answer_is_named_and_what_turns_nothing_is_not(
    berth: Sequence[Chunk], galley: Sequence[Chunk], written: str, turned: Sequence[Turned]
) -> None:
    before: Mapping[str, list[Hit]] = {"berth": hits(BERTHS, KITCHEN), "galley": hits(KITCHEN, BERTHS)}
    found = find_turned(
        [BERTH, GALLEY],
        {"berth": hits(*berth), "galley": hits(*galley)},
        {written},
        lambda question: before[question.id],
        {"berths.md", "kitchen.md"},
        embed,
    )
    assert list(found) == turned


def test_a_person_reads_which_page_turned_an_answer() -> None:
    one = Turned("q", "It is 8.", "It is 9.", "x.md", True).to_json()
    line = '  q has another answer, of the new page x.md: "It is 9." instead of "It is 8."'
    assert turned_lines([one]) == [line]
    assert turned_lines([one] * 5) == [line] * 3 + ["  2 more questions with another answer; --json lists all"]
    assert turned_lines([]) == []
