import pytest

from lorag.drafting.candidates import find_candidates, is_sayable, order_candidates
from lorag.knowledge.documents import Chunk

SAYABLE = {
    "a statement": ("The galley opens at 06:50 on all weekdays.", True),
    "a list item that describes": ("- queueName - Name of the queue to read the messages of.", True),
    "code": ('  threshold: "100.50"  # Optional', False),
    "a table row": ("Event | Type | What is written about it by the service", False),
    "a sentence that needs the one before": ("This is done by the crew after 30 seconds of silence.", False),
    "a question": ("Is the galley open for the crew at 06:50 on Sundays?", False),
    "a heading with two words": ("Opening hours", False),
    "a line that announces": ("To open the galley before the crew comes, do this:", False),
    "an address": ("See the page at https://example.org/a for the list of the crew.", False),
}


@pytest.mark.parametrize("case", SAYABLE)
def test_only_what_is_understood_alone_is_asked_about(case: str) -> None:
    sentence, wanted = SAYABLE[case]
    assert is_sayable(sentence) is wanted


def _chunk(name: str, document: str, *lamps: int) -> Chunk:
    text = "\n\n".join(f"The lamp of pier {lamp} in {document} is lit at {lamp}:30 every evening." for lamp in lamps)
    return Chunk(name, document, "Piers", text)


def test_a_candidate_names_its_place_letter_by_letter() -> None:
    chunk = _chunk("c", "d", 7, 8)
    for candidate in find_candidates(chunk):
        assert chunk.text[candidate.start : candidate.end] == candidate.sentence
        assert candidate.value.text in candidate.sentence
    assert len({candidate.id for candidate in find_candidates(chunk)}) == len(find_candidates(chunk)) >= 2


def test_changed_chunks_come_first_and_the_documents_take_turns() -> None:
    chunks = [_chunk("a1", "a", 1, 2, 3), _chunk("a2", "a", 4), _chunk("b1", "b", 5, 6), _chunk("c1", "c", 7)]
    order = list(order_candidates(chunks, {"a2"}, seed=7))
    is_changed = [each.chunk.id == "a2" for each in order]
    assert is_changed == sorted(is_changed, reverse=True) and any(is_changed)
    rest = [each.chunk.document_id for each in order if each.chunk.id != "a2"]
    assert set(rest[:3]) == {"a", "b", "c"}
    assert list(order_candidates(chunks, {"a2"}, seed=7)) == order
    assert [each.id for each in order_candidates(chunks, (), seed=8)] != [each.id for each in order]
