from collections.abc import Iterable, Sequence

import pytest

from lorag.answering.generator import Generation, Message
from lorag.knowledge.documents import Chunk
from lorag.questions.facts import Fact
from lorag.tuning.synthesis import synthesise_facts


class _Cache:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self.values[key] for key in keys if key in self.values}

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        self.values.update(values)


class _Writer:
    """Writes `question` for every text, then `answer`."""

    model_sha256 = "writer"

    def __init__(self, question: str, answer: str) -> None:
        self.question, self.answer, self.asked = question, answer, 0

    def generate_batch(self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int) -> list[Generation]:
        self.asked += len(conversations)
        writes_question = "Write one short question" in conversations[0][-1].content
        text = self.question if writes_question else self.answer
        return [Generation(text, 1, 1) for _ in conversations]


def _synthesise(chunks: Sequence[Chunk], writer: _Writer, cache: _Cache, per_chunk: int = 1) -> list[Fact]:
    versions = {chunk.document_id: "1" for chunk in chunks}
    return synthesise_facts(chunks, versions, per_chunk, writer, cache, settings="", seed=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "answer", "kept"),
    [
        ("How deep is berth 4?", "7.2 metres.", True),
        ("Question: How deep is berth 4?", "7.2 metres", True),
        ("How deep is berth 4?", "8 metres", False),  # not in the chunk
        ("How deep is berth 4?", "The depth of berth 4 is 7.2 metres.", False),  # in other words
        ("Is berth 4 7.2 metres deep?", "7.2 metres", False),  # the question gives it away
        ("Berth 4 is deep.", "7.2 metres", False),  # no question
        ("How deep is berth 4?", "", False),
    ],
)
def test_a_pair_is_kept_only_where_its_answer_stands_in_the_chunk(
    question: str, answer: str, kept: bool, chunks: list[Chunk]
) -> None:
    facts = _synthesise(chunks[:1], _Writer(question, answer), _Cache())
    assert [(fact.question.question, fact.answer) for fact in facts] == (
        [("How deep is berth 4?", "7.2 metres")] if kept else []
    )
    assert all(fact.gold == (chunks[0],) and fact.documents == {"harbour/berths.md": "1"} for fact in facts)


def test_what_was_written_once_comes_from_the_cache(chunks: list[Chunk]) -> None:
    cache, writer = _Cache(), _Writer("How deep is berth 4?", "7.2 metres")
    first = _synthesise(chunks, writer, cache)
    asked = writer.asked
    assert _synthesise(chunks, writer, cache) == first and writer.asked == asked
    edited = [Chunk("new", "harbour/berths.md", "Berths", "Berth 4 was dredged to 7.2 metres."), *chunks[1:]]
    _synthesise(edited, writer, cache)
    assert 0 < writer.asked - asked <= 2, "a question and an answer for the chunk that is new"
