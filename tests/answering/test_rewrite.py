from collections.abc import Sequence

import pytest

from lorag.answering.generator import Generation, Message, TextStream
from lorag.answering.rewrite import rewrite_question
from lorag.knowledge.documents import Chunk
from lorag.params import Rewriting
from lorag.retrieval.index.store import Hit
from lorag.retrieval.rerank import rerank

QUESTION = "Who owns the mill?"


class ScriptedModel:
    model_sha256 = "0" * 64

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Sequence[Message]] = []

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int) -> TextStream:
        self.asked.append(messages)
        yield self.text
        return Generation(self.text, 1, 1)

    def generate_batch(self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int) -> list[Generation]:
        raise NotImplementedError

    def count_tokens(self, text: str) -> int:
        return len(text)


@pytest.mark.parametrize(
    ("written", "queries"),
    [
        ("1. Whose mill is it?\n2) Who is the mill's owner?", ["Whose mill is it?", "Who is the mill's owner?"]),
        ("Sure, here they are:\n- Whose mill is it?\n\n* who owns the  MILL?\nI hope", ["Whose mill is it?"]),
        ('"Whose mill is it?"\n"Whose mill is it?"', ["Whose mill is it?"]),
        ("a?\nb?\nc?\nd?\ne?", ["a?", "b?", "c?"]),
        ("", []),
        ("???\n12. \nno question", []),
        ("x" * 5_000 + "?", []),
    ],
)
def test_paraphrases_follow_the_question_without_repeats(written: str, queries: list[str]) -> None:
    assert rewrite_question(QUESTION, Rewriting.MULTI_QUERY, ScriptedModel(written)) == [QUESTION, *queries]


def test_hyde_adds_one_passage_on_one_line() -> None:
    model = ScriptedModel("Passage: The mill is owned\nby Anna Berg.")
    assert rewrite_question(QUESTION, Rewriting.HYDE, model) == [QUESTION, "The mill is owned by Anna Berg."]
    assert QUESTION in model.asked[0][-1].content
    assert rewrite_question(QUESTION, Rewriting.HYDE, ScriptedModel(" ")) == [QUESTION]
    assert len(rewrite_question(QUESTION, Rewriting.HYDE, ScriptedModel("word " * 900))[1]) <= 1_000


def test_none_asks_no_model() -> None:
    model = ScriptedModel("Whose mill is it?")
    assert rewrite_question(QUESTION, Rewriting.NONE, model) == [QUESTION]
    assert model.asked == []


def test_rerank_sorts_by_the_new_scores_and_keeps_ties_in_order() -> None:
    hits = [Hit(Chunk(name, "d", "", name), 1.0) for name in "abc"]
    assert [(hit.chunk.id, hit.score) for hit in rerank(hits, [0.1, 0.7, 0.7])] == [("b", 0.7), ("c", 0.7), ("a", 0.1)]
    with pytest.raises(ValueError, match="shorter"):
        rerank(hits, [0.1])
