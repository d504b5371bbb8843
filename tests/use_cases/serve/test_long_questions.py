"""Point 17 of what strangers met: questions of any length, in golden questions and in a search."""

import json

from lorag.params import RetrieverKind
from lorag.use_cases.serve.search import search_workspace
from tests.use_cases.conftest import Place


def test_strangers_17_a_question_longer_than_the_embedder_reads_is_measured_and_searched(place: Place) -> None:
    long = f"{'The boats come and go, and nobody tells me. ' * 60} How deep is berth 4 of the Quellwick basin?"
    line = {"id": "long", "question": long, "answers": ["7.25 metres"], "gold_doc_ids": ["berths.md"]}
    (place.workspace.root / "data" / "questions.jsonl").write_text(f"{json.dumps(line)}\n")
    assert place.refresh().recall_at_10 == 1.0
    for kind in RetrieverKind:
        found = search_workspace(long, place.workspace, place.params, {}, retriever=kind)
        assert "berths.md" in [hit.chunk.document_id for hit in found.hits], kind
