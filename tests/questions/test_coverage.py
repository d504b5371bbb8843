"""What share of the knowledge the training questions ask about."""

from dataclasses import replace

from lorag.knowledge.documents import Chunk, Document
from lorag.questions.coverage import Coverage, measure_coverage
from lorag.questions.facts import collect_facts
from lorag.questions.questions import Question


def test_the_documents_of_a_question_and_the_chunks_that_state_its_answer_are_covered(
    documents: list[Document], chunks: list[Chunk]
) -> None:
    chunk = chunks[0]
    answer = chunk.text.split()[-1].strip(".")
    question = Question(id="q", question="?", answers=(answer,), gold_doc_ids=(chunk.document_id,))
    facts, _ = collect_facts([question], documents, chunks)
    found = measure_coverage(facts, documents, chunks)
    assert (found.documents, found.n_documents, found.n_chunks) == (1, len(documents), len(chunks))
    assert found.chunks == len(facts[0].gold) >= 1

    implied = [replace(facts[0], literal=False, gold=tuple(chunks[:2]))]
    assert measure_coverage(implied, documents, chunks).chunks == 0, "which of the chunks says it is unknown"
    gone = [replace(facts[0], documents={"gone.md": "1"}, gold=())]
    assert measure_coverage(gone, documents, chunks) == Coverage(0, len(documents), 0, len(chunks))
    written = measure_coverage([], documents, chunks, chunk_ids=[chunk.id, "no such chunk"])
    assert (written.documents, written.chunks) == (1, 1)


def test_nothing_is_covered_where_there_is_nothing() -> None:
    empty = measure_coverage([], [], [])
    assert (empty.documents_share, empty.chunks_share) == (0.0, 0.0)
    assert Coverage.from_json(empty.to_json()) == empty
