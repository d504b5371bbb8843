from dataclasses import replace

from lorag.knowledge.documents import Chunk, Document
from lorag.questions.facts import Fact
from lorag.tuning.tasks import classification_pairs, extraction_pairs, summarisation_pairs, text_pairs


def test_each_chunk_is_plain_text_with_its_headings(chunks: list[Chunk]) -> None:
    pair = text_pairs(chunks, {chunk.document_id: "1" for chunk in chunks})[0]
    assert pair.messages == () and pair.answer == chunks[0].embedded_text
    assert pair.documents == {"harbour/berths.md": "1"} and pair.chunk_ids == ("c-harbour/berths.md",)


def test_a_summary_is_not_in_the_text_that_is_read(documents: list[Document]) -> None:
    pairs = summarisation_pairs(documents)
    assert pairs[0].answer == "Berths: Berth 4 is 7.2 metres deep at low water."
    read = pairs[0].messages[-1].content
    assert "7.2 metres" not in read and "two bollards" in read


def test_a_document_belongs_to_its_top_folder_or_category(documents: list[Document]) -> None:
    record = replace(documents[0], id="card-1", metadata={"category": "suppliers"})
    pairs = classification_pairs([*documents, record, replace(record, id="loose", metadata={})])
    assert [pair.answer for pair in pairs] == ["harbour", "harbour", "fleet", "fleet", "suppliers"]
    assert "fleet, harbour, suppliers?" in pairs[0].messages[-1].content
    assert classification_pairs(documents[:2]) == [], "one class teaches nothing"


def test_the_values_that_questions_ask_for_are_listed_in_text_order(facts: list[Fact], chunks: list[Chunk]) -> None:
    versions = {chunk.document_id: "1" for chunk in chunks}
    answers = {pair.chunk_ids[0]: pair.answer for pair in extraction_pairs(facts[::-1], chunks, versions)}
    assert answers == {
        "c-harbour/berths.md": "7.2 metres",
        "c-harbour/people.md": "Wenna Thrale\nCasimir Holt",
        "c-fleet/ships.md": "2.1 metres",
    }
