from collections.abc import Sequence

import pytest

from lorag.knowledge.documents import Chunk, Document
from lorag.questions.facts import Fact, RefusedReason, collect_facts, fact_digests, find_conflicts
from lorag.questions.questions import Question
from lorag.questions.words import states


def _question(name: str, text: str, answers: Sequence[str], gold: Sequence[str] = ("harbour/berths.md",)) -> Question:
    return Question(id=name, question=text, answers=tuple(answers), gold_doc_ids=tuple(gold))


def test_a_fact_knows_the_chunks_and_versions_that_state_it(facts: list[Fact], documents: list[Document]) -> None:
    depth = facts[0]
    assert depth.literal and [chunk.id for chunk in depth.gold] == ["c-harbour/berths.md"]
    assert depth.documents == {"harbour/berths.md": documents[0].version}
    assert depth.training_wordings == [
        ("canonical", "How deep is berth 4?"),
        ("phrasing 1", "Please say: How deep is berth 4?"),
    ]


def test_an_answer_in_other_words_keeps_all_chunks_of_its_document(
    documents: list[Document], chunks: list[Chunk]
) -> None:
    [fact], _ = collect_facts([_question("q", "Is berth 4 deep?", ["yes"])], documents, chunks)
    assert not fact.literal
    assert [chunk.document_id for chunk in fact.gold] == ["harbour/berths.md"]


def test_rows_without_a_document_that_is_there_are_refused(documents: list[Document], chunks: list[Chunk]) -> None:
    """Row 45 of the bad-input table; an answer that names no document at all could never be forgotten."""
    rows = [
        _question("gone", "How deep is berth 4?", ["7.2 metres"], ["harbour/berths.md", "harbour/forgotten.md"]),
        _question("rootless", "How deep is berth 9?", ["9 metres"], []),
        _question("unanswerable", "How wide is berth 9?", [], []),
    ]
    facts, refused = collect_facts(rows, documents, chunks)
    assert [fact.id for fact in facts] == ["unanswerable"]
    assert [(row.name, row.reason) for row in refused] == [
        ("gone", RefusedReason.UNKNOWN_DOCUMENT),
        ("rootless", RefusedReason.NO_DOCUMENT),
    ]
    assert refused[0].detail == "harbour/forgotten.md"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("It is 7.2 metres deep.", "7.2 metres", True),
        ("It is 17.2 metres deep.", "7.2 metres", False),  # inside a longer number
        ("It is 0.7.2 metres deep.", "7.2 metres", False),
        ("It costs £45.", "£45", True),
        ("It costs £45.50.", "£45", False),
        ("It costs £45, or more", "£45", True),
        ("46 child\njackets", "46 child jackets", True),  # a line break of a PDF
        ("ORANGE ANCHOR", "orange anchor", True),
        ("Casimir Holtby", "Casimir Holt", False),
    ],
)
def test_what_a_text_states(text: str, value: str, expected: bool) -> None:
    assert states(text, value) is expected


def test_conflicting_answers_are_found_whatever_the_wording_looks_like() -> None:
    """Row 43: the same question twice is fine, with two answers neither is taught."""
    same = [_question("a", "How deep?", ["7 m"]), _question("b", "how DEEP", ["7 m."])]
    assert find_conflicts(same) == frozenset()
    other = [*same, _question("c", "How deep??", ["8 m"]), _question("d", "How wide?", ["8 m"])]
    assert find_conflicts(other) == {"a", "b", "c"}


def test_a_changed_answer_of_any_question_changes_its_fact() -> None:
    first, last = (_question(name, f"{name}?", ["7 m"]).model_copy(update={"fact_id": "depth"}) for name in "ab")
    changed = first.model_copy(update={"answers": ("8 m",)})
    before = fact_digests([first, last])
    assert before == fact_digests([last, first]) == fact_digests([first])
    assert before.keys() == {"depth"} and fact_digests([changed, last]) != before
    assert fact_digests([first, first.model_copy(update={"id": "c", "answers": ()})]) == before
